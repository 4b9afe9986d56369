"""What several test files import: plain statements of definitions, made-up files, rules of notebooks."""
