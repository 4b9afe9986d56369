"""The checks of notebooks, checked: an honest chapter passes, and each planted fault is found and named."""

import copy
import shutil
from pathlib import Path

import nbformat
import pytest

from helpers import notebook_text, sample_notebooks
from helpers.notebook_code import missing_files, unused_names
from helpers.notebook_rules import code_cells, problems, read
from tools.refresh import digests, refresh_notebooks


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chapter and its solutions, executed."""
    path = sample_notebooks.repository(tmp_path_factory.mktemp("repository"))
    refresh_notebooks(folder=path.parent)
    return path


@pytest.fixture
def planted(honest: Path, tmp_path: Path):
    """Call it with a change of the chapter (or of the solutions): what the checks then say of it."""

    def plant(change, solutions: bool = False, stamp: bool = True) -> list[str]:
        root = tmp_path / "repository"
        shutil.copytree(honest.parents[1], root)
        path = root / "notebooks" / ("solutions" if solutions else "") / honest.name
        notebook = read(path)
        change(notebook)
        if stamp:  # as if it had been executed with the fault in it
            notebook.metadata["adlib"] = digests(notebook)
        nbformat.write(notebook, path)
        return problems(path)

    return plant


def test_an_honest_chapter_and_its_solutions_pass(honest: Path):
    assert problems(honest) == []
    assert problems(honest.parent / "solutions" / honest.name) == []


def test_saving_a_notebook_anew_changes_no_stamp(honest: Path, tmp_path: Path):
    notebook = read(honest)
    nbformat.write(notebook, tmp_path / honest.name)
    assert digests(read(tmp_path / honest.name)) == digests(notebook) == read(honest).metadata["adlib"]


def shuffle_counts(notebook):
    code_cells(notebook)[3].execution_count = 99


def forget_to_run(notebook):
    code_cells(notebook)[3].update(execution_count=None, outputs=[])


def show(text):
    def change(notebook):
        code_cells(notebook)[2].outputs.append(nbformat.v4.new_output("stream", text=text))

    return change


def warn(notebook):
    code_cells(notebook)[2].outputs.append(nbformat.v4.new_output("stream", name="stderr", text="deprecated"))


def fail(notebook):
    code_cells(notebook)[3].outputs.append(nbformat.v4.new_output("error", ename="E", evalue="", traceback=[]))


def code(number, source):
    def change(notebook):
        code_cells(notebook)[number].source = source

    return change


def tag(number, *tags):
    def change(notebook):
        code_cells(notebook)[number].metadata["tags"] = list(tags)

    return change


def prose(old, new):
    def change(notebook):
        before = copy.deepcopy(notebook)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = cell.source.replace(old, new)
        assert notebook != before

    return change


def add_prose(source):
    def change(notebook):
        notebook.cells.insert(5, nbformat.v4.new_markdown_cell(source))

    return change


def print_nothing(notebook):
    for cell in code_cells(notebook):
        cell.outputs = []


def add_cells(source, *tags):
    def change(notebook):
        metadata = {"tags": list(tags)} if tags else {}
        notebook.cells[4:4] = [nbformat.v4.new_code_cell(source, metadata=metadata) for _ in range(34)]

    return change


PARAMETERS = sample_notebooks.PARAMETERS


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (shuffle_counts, "top to bottom"),
        (forget_to_run, "top to bottom"),
        (fail, "code cell 4 ended in an error"),
        (print_nothing, "prints nothing that nbval compares"),
        (tag(3, "nbval-skip"), "code cell 4 escapes nbval"),
        (tag(3, "raises-exception"), "code cell 4 escapes nbval"),
        (code(3, "# NBVAL_IGNORE_OUTPUT\nprint(first + second)"), "code cell 4 escapes nbval"),
        (show("/home/somebody/data/x.png"), "/home/somebody/data/x.png"),
        (show("read from /srv/data/x.png"), "/srv/data/x.png"),
        (show("C:\\Users\\somebody\\x.png"), "somebody's machine"),
        (code(3, "print(first + second, '/home/somebody/x.png')"), "/home/somebody/x.png"),
        (warn, "prints to stderr"),
        (show(" 37%|###   | 3/8"), "progress bar"),
        (show("1/8\r2/8"), "progress bar"),
        (show("x" * 1_000_000), "more than 1 MB"),
        (code(3, "print(first + second)" + "\nx = 1" * 20), "21 lines, more than"),
        (code(3, "print(first + second)" + "\nx = 1" * 16), "17 lines in one cell"),
        (add_cells("first"), "39 code cells, more than 34"),
        (add_prose("word " * 151), "151 words in one text, more than 150"),
        (add_prose("word " * 2000), "words of prose, more than 2000"),
        (add_prose("<b>" * 200 + "$x_1 + x_2$ " * 200), None),  # neither marks nor formulas are words
        (add_cells("x = 1\n" * 8), "lines of code, more than 240"),
        (add_cells("x = 1\n" * 8, "harness"), "top to bottom"),  # not counted: the only fault is that it never ran
        (prose("(schematics/05_adding.svg)", "(05_adding.svg)"), "has 0 schematics, fewer than 1"),
        (prose("<summary>Answer</summary>", ""), "has 0 folded questions, fewer than 3"),
        (tag(3, "claims"), "code cell 4 is tagged claims and has no assert"),
        (code(3, "print(first +"), "code cell 4 is not Python"),
        (tag(0), "tagged 'parameters'"),
        (tag(3, "parameters"), "tagged 'parameters'"),
        (code(0, PARAMETERS + "\nnever = 1  # a parameter"), "the parameter never and never uses it"),
        (code(0, PARAMETERS + "\nnumpy = 1  # stands in a string only"), "the parameter numpy and never uses it"),
        (code(0, PARAMETERS + "\npd = 1  # overwritten"), "overwrites the parameter pd"),
        (code(0, "first = 1\nsecond = 2  # another one"), "what the parameter first is"),
        (code(0, "first = 1  # a number\nsecond = 2"), "what the parameter second is"),
        (code(0, "first = 1  # a number\nsecond: int = 2  # another one"), "something else than a name"),
        (code(0, "first = 1  # a number\nsecond = first + 1  # another one"), "something else than a name"),
        (code(1, "# check_parameters(globals(), In)"), "does not call check_parameters"),
        (tag(2), "prints versions"),
        (prose("# 05 A", "# 06 A"), "number and title"),
        (prose("**Goals.**", "Goals."), "lacks **Goals.**"),
        (prose("**Cost:**", "Cost:"), "lacks **Cost:**"),
        (prose("**In one hour:** section 1.", ""), "lacks **In one hour:**"),
        (prose("hour:** section 1.", "hour:** sections 1 and 9."), "names section 9"),
        (prose("## Recap", "## Something else"), "lacks ## Recap"),
        (prose("**Next:**", "Next:"), "lacks **Next:**"),
        (prose("## References", "## Exercises"), "lacks ## References"),
        (prose("3. a frame shows itself.", ""), "3 goals and 2 points"),
        (prose("| two numbers | `+` |", ""), None),  # a table without this row is a table still
        (prose("|", "/"), "no table"),
        (prose("4. Add six.", ""), "exercises [1, 2, 3]"),
        (prose("4. Add six.", "5. Add six."), "exercises [1, 2, 3, 5]"),
        (prose("(solutions/", "(../notebooks/solutions/"), "does not link to solutions/"),
        (add_prose("[gone](../gone.md)"), "../gone.md"),
        (add_prose("![gone](../figures/gone.png)"), "../figures/gone.png"),
        (add_prose('<img src="gone.png">'), "gone.png"),
        (add_prose("[gone][1]\n\n[1]: gone.md"), "gone.md"),
        (add_prose("![gone](attachment:gone.png)"), "not attached"),
        (add_prose("[etc](/etc/hostname)"), "/etc/hostname"),
        (add_prose("[gone](#2.-Nowhere)"), "no such heading"),
        (add_prose("[gone](solutions/05_sample.ipynb#5.-More-numbers)"), "no such heading"),
        (add_prose("See `adlib/subtraction.py`."), "adlib/subtraction.py"),
        (add_prose("[there](solutions/05_sample.ipynb#4.-More-numbers), `adlib/*.py`, `notebooks/`"), None),
        (add_prose("```bash\n# no heading\n[0](gone)\n```\n`[0](gone)` and $f[0](x)$"), None),
        (code(3, "print(first + second, open('../gone.csv'))"), "../gone.csv"),
        (code(3, "print(first + second, open(f'../gone/{first}.csv'))"), "../gone/"),
        (
            code(3, "print(first + second, '../adlib/addition.py')"),
            "addition.py from its own folder; use committed_res",
        ),
        (code(3, "print(first + second, f'../{first}')"), "from its own folder"),
        (code(3, "print(first + second, repository_file('adlib/gone.py'))"), "reads adlib/gone.py, which"),
        (code(3, "print(first + second, committed_results('gone'))"), "reads gone, which does not exist"),
        (code(3, "print(first + second, repository_file('adlib/addition.py'))"), None),
    ],
)
def test_planted_faults_are_found(planted, change, sentence):
    found = planted(change)
    assert any(sentence in problem for problem in found) if sentence else found == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (prose("05 A sample: solutions", "05 A sample"), "does not begin with '# 05 Topic: solutions'"),
        (prose("## 3. More", "## More"), "no heading for exercise 3"),
        (prose("## 4. More", "## 5. More"), "solves exercise 5, which"),
        (prose("## 4. More", "## Exercise 4: more"), None),
        (prose("So it is.", ""), "no answer in words for exercise 2"),
        (lambda notebook: notebook.cells.pop(-2), "no number and no image for exercise 4"),
        (shuffle_counts, "top to bottom"),
    ],
)
def test_planted_faults_in_solutions_are_found(planted, change, sentence):
    found = planted(change, solutions=True)
    assert any(sentence in problem for problem in found) if sentence else found == []


def forge_a_number(notebook):
    code_cells(notebook)[3].outputs[0].text = "4\n"


def forge_an_uncompared_output(notebook):
    code_cells(notebook)[2].outputs[0].text = "99.0\n"


def forge_a_picture(notebook):
    code_cells(notebook)[5].outputs[0].data["image/png"] = "AAAA"


def change_the_code(notebook):
    code_cells(notebook)[3].source = "print(second + first)"  # prints the same, so nbval is content


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (forge_a_number, "outputs that changed"),
        (forge_an_uncompared_output, "outputs that changed"),
        (forge_a_picture, "outputs that changed"),
        (change_the_code, "code that changed"),
        (lambda notebook: notebook.metadata.pop("adlib"), "no stamp"),
    ],
)
def test_the_stamp_shows_what_was_changed_after_the_execution(planted, change, sentence):
    (problem,) = planted(change, stamp=False)
    assert sentence in problem


def test_a_chapter_without_solutions_and_solutions_without_a_chapter_fail(honest: Path, tmp_path: Path):
    root = tmp_path / "repository"
    shutil.copytree(honest.parents[1], root)
    chapter, solved = root / "notebooks" / honest.name, root / "notebooks/solutions" / honest.name
    solved.rename(root / honest.name)
    assert any("has no solutions" in problem for problem in problems(chapter))
    (root / honest.name).rename(solved)
    chapter.unlink()
    assert any("05_sample.ipynb, which does not exist" in problem for problem in problems(solved))


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ("a", True),
        ("print(f'{a}')", True),
        ("def f():\n    return a", True),
        ("class C:\n    x = a", True),
        ("a = min(a, 3)", True),
        ("a += 1", True),
        ("[x + a for x in ()]", True),
        ("await a", True),
        ("# a", False),
        ("'a'", False),
        ("x.a", False),
        ("f(a=1)", False),
        ("def f(a):\n    return a", False),
        ("[a for a in ()]", False),
        ("a = 3\na", False),
        ("for a in ():\n    print(a)", False),
        ("%timeit -n 1 b", False),
    ],
)
def test_use_of_a_name_is_seen_as_the_compiler_sees_it(source, used):
    assert (list(unused_names(["a"], [source])) == []) == used


def test_links_in_every_way_of_writing():
    text = "[a](b.md 'title') ![c](<d e.png>) [f](g(1).md) <a href=\"h\">i</a>\n\n[j]: k.md\n\n~~~\n[l](m)\n~~~\n"
    assert notebook_text.links(text) == ["b.md", "d e.png", "g(1).md", "k.md", "h"]


def test_anchors_as_jupyter_and_as_github_make_them():
    text = "## 2. What `AUPRO` is: a *sum*\n"
    assert notebook_text.anchors(text, notebook=True) == {"2.-What-AUPRO-is:-a-sum"}
    assert notebook_text.anchors(text, notebook=False) == {"2-what-aupro-is-a-sum"}


def test_of_a_path_with_a_gap_the_folder_is_looked_for(tmp_path):
    (tmp_path / "there").mkdir()
    source = 'a = f"./there/x_{n}.csv"\nb = f"./gone/x_{n}.csv"\nc = "./there/y.csv"'
    found = sorted(words.split(",")[0] for words in missing_files(source, tmp_path))
    assert found == ["reads ./gone/x_", "reads ./there/y.csv"]
