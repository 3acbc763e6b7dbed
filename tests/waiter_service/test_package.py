import inspect
import re
from collections.abc import Iterator

import waiter_service
from waiter_service import errors


def names_of_errors(base: type[Exception]) -> Iterator[str]:
    yield base.__name__
    for each in base.__subclasses__():
        if each.__module__.startswith("waiter_service."):
            yield from names_of_errors(each)


ERRORS = [*names_of_errors(errors.WaiterServiceError)]
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


def test_the_package_exports_every_error_that_the_docstrings_of_the_service_name():
    service = waiter_service.WaiterService
    methods = [each for _, each in inspect.getmembers(service)]
    told = " ".join(inspect.getdoc(each) or "" for each in (service, *methods))
    named = {name for name in ERRORS if re.search(rf"\b{name}\b", told)}
    assert {"IllegalTransition", "VersionConflict"} <= named
    assert named <= set(waiter_service.__all__)


def test_every_error_is_exported_and_in_the_drawn_tree():
    assert len(ERRORS) > 20
    for name in ERRORS:
        assert name in errors.__doc__
        assert name in errors.__all__
