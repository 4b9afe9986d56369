"""Data sets of others: download or take what was fetched by hand, unpack safely, arrange, verify (chapter 00).

`source` says what a data set must tell about itself, `script` is the command line over it, one file per data set:
`mvtec`, `visa`, `mtd`, `mstc`, `gdxray`. The commands themselves are in data_scripts/.
"""
