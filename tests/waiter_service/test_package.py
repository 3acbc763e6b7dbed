import inspect
import re

import waiter_service
from waiter_service import errors

ERRORS = [
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.WaiterServiceError)
]
OUTSIDERS = ("flask", "gevent", "notifications", "alembic", "pydantic")


def test_importing_the_package_pulls_in_no_web_framework_and_no_notifications(run_python):
    source = (
        "import sys, waiter_service\n"
        f"print([name for name in {OUTSIDERS!r} if name in sys.modules])"
    )
    output, complaints = run_python(source).communicate(timeout=30)
    assert (output.strip(), complaints) == ("[]", "")


def test_public_names_exist():
    for name in waiter_service.__all__:
        assert getattr(waiter_service, name) is not None


def test_every_error_that_a_change_may_raise_is_at_hand_beside_the_service():
    """Those that the docstrings of its functions name."""
    service = waiter_service.WaiterService
    told = " ".join(inspect.getdoc(each) or "" for each in (service, *vars(service).values()))
    named = {name for name in ERRORS if re.search(rf"\b{name}\b", told)}
    assert {"IllegalTransition", "VersionConflict"} <= named
    assert named <= set(waiter_service.__all__)


def test_every_error_of_the_house_is_in_the_drawn_tree():
    for name in ERRORS:
        assert name in errors.__doc__
