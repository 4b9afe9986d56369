"""Industrial image anomaly detection: the library under the notebooks of this course.

An image walks one way: file -> `data` -> `features` -> `detectors` (over `bank`, `networks`, `synthesis`) ->
`evaluation` -> `experiments` -> `cluster` -> `papers`, `reports`, `inspection` -> `cli`; `plots` knows arrays alone. A
room imports only from rooms below it. Nothing is downloaded and no network is built when a module is imported.
"""

__version__ = "0.1.0"
