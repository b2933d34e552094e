"""The way of an older workspace to today's tables: one step a schema, forwards, all of them in one transaction.

A step is a function of Alembic's `Operations` that turns the tables of the schema before into those of its own. A step
that was released is never changed, and names its tables itself: those of `_schema` move on.
"""

from ._steps import migrate as migrate
