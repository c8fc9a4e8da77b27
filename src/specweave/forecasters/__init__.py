"""Series and their forecasts: frequencies, gaps, origins, models, intervals, tests. Knows no problem type."""
