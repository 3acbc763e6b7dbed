"""A new operation is registered everywhere it has to be."""

import inspect
import pkgutil
import re
from typing import Any, get_type_hints

import pytest

from api import operations
from api.call import Call
from api.openapi import floor
from api.operation import Services
from api.operations import OPERATIONS
from tests.api.examples import BODIES, FOREIGN, OWN

EACH = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)


def path_parameters(operation):
    return re.findall(r"{(\w+)}", operation.path)


def test_every_module_of_operations_is_served():
    written = {each.name for each in pkgutil.iter_modules(operations.__path__)}
    served = {each.handle.__module__.rpartition(".")[2] for each in OPERATIONS}
    assert written == served, "name the module in api/operations/__init__.py"


def test_operation_names_are_unique():
    names = [each.name for each in OPERATIONS]
    assert len(set(names)) == len(names)


@EACH
def test_an_operations_function_takes_its_declared_body_and_path(operation):
    services, call, *of_path = inspect.signature(operation.handle).parameters
    hints = get_type_hints(operation.handle)

    assert hints[services] is Services
    body = operation.body or type(None)
    call_with: Any = Call  # no type checker can check the body
    expected = call_with[body | None if operation.body_is_optional else body]
    assert hints[call] == expected, f"body= of the operation says {body.__name__}"
    assert len(of_path) == len(path_parameters(operation))


@EACH
def test_every_operation_has_a_docstring_and_a_described_tag(operation):
    assert operation.summary, "give the function a docstring"
    assert operation.tag in floor.TAGS, "describe the tag in api/openapi/floor.py"
    for resource in operation.answers.values():
        assert resource.__doc__, f"give {resource.__name__} a docstring"


@EACH
def test_every_operation_has_examples_in_the_tests(operation):
    """The access tests then try it without a token, as a guest, and on foreign ids."""
    for name in path_parameters(operation):
        assert name in OWN, f"add {name} to OWN in tests/api/examples.py"
        assert name in FOREIGN, f"add {name} to FOREIGN in tests/api/examples.py"
    if operation.body is not None and not operation.body_is_optional:
        assert operation.name in BODIES, f"add {operation.name} to BODIES in tests/api/examples.py"
        operation.body.model_validate(BODIES[operation.name])


def test_every_example_belongs_to_an_operation():
    assert BODIES.keys() <= {each.name for each in OPERATIONS}
