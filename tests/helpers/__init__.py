"""Code that several test files import: plain versions of definitions, made-up files, rules of notebooks."""
