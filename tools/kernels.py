"""How sums are computed while notebooks are executed and tested, so that other machines print the same digits.

A training follows the rounding of every sum, and that depends on the number of threads and on the instructions that the
processor offers. AVX2 is what all x86 servers have.
"""

import platform

_AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
SAME_SUMS = {"OMP_NUM_THREADS": "1"} | (_AVX2 if platform.machine().lower() in ("x86_64", "amd64") else {})
