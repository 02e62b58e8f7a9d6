"""The report: one self-contained HTML file of a study's results, down to the answers and the records behind them."""
