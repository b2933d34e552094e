"""Reports of learning: as records, and as one page that works offline."""

from ._html import html_report as html_report
from ._html import save_html as save_html
from ._records import Change as Change
from ._records import Loop as Loop
from ._records import Report as Report
from ._records import TaskReport as TaskReport
from ._text import task_report as task_report
from ._text import text_report as text_report
