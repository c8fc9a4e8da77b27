"""How sure a number is: intervals, paired tests, power, calibration. Arrays in, numbers out."""
