"""Networks that several detectors train: what they are made of, apart from what they are trained for."""
