"""Public data sets: download them (or use a manual download), unpack safely, arrange, verify (chapter 00).

`source` defines what is known of a data set, `script` is the command line, and there is one module per data set:
`mvtec`, `mvtec_3d`, `visa`, `mtd`, `mstc`, `gdxray`. The commands themselves are in data_scripts/.
"""
