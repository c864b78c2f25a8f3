"""One page about one or more runs: curves, histograms, timelines, worst segments, all figures."""

from earvoice.eval.report.page import report_page
from earvoice.eval.report.view import Heard

__all__ = ["Heard", "report_page"]
