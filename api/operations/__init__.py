"""What can be asked of the API: the one list that is both served and documented.

A new operation is a function in the module of its subject. A new subject is a module here,
named in the list below.
"""

from __future__ import annotations

from api.operation import Operation
from api.operations import joining, offers, sessions, shifts, tickets, venues, waiters

OPERATIONS: tuple[Operation, ...] = tuple(
    each
    for subject in (sessions, joining, tickets, waiters, venues, shifts, offers)
    for each in vars(subject).values()
    if isinstance(each, Operation)
)
