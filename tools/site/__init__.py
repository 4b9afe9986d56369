"""The course as a site of static pages: chapters, guides, reference and a browser of the results.

    python -m tools.site [CHAPTER ...]      builds site/ (all chapters, or those whose file name begins so)
    python -m tools.site.translations       brings the catalogues of the Chinese pages, site/zh/, up to date

Pages come from the committed notebooks and rows; nothing is executed and nothing is fetched. Needs `pip install
'adlib[site]'`. `docs/site/` holds Sphinx's settings, styles, scripts and the pages that are written by hand.
"""
