"""Injection: what is swapped is put back, wherever it had been imported to, and no file is touched."""

import pytest

from nanochat.course.zoo.catalogue import specimens
from nanochat.course.zoo.specimen import injected
from nanochat.engine.scalar.value import Value
from nanochat.errors import GuardError
from nanochat.experiments.certify.certificate import Certificate, ChangedCodeError
from nanochat.experiments.certify.compare import cases, examine_any
from nanochat.experiments.laws import decoding
from nanochat.inference import beam
from nanochat.training import prepare


def test_a_function_is_swapped_in_every_module_that_imported_it_and_put_back():
    right = beam.beam_search
    with injected(specimens()["D5"]):
        assert decoding.beam_search is beam.beam_search is not right
    assert decoding.beam_search is beam.beam_search is right


def test_the_specimen_itself_keeps_the_right_one_that_it_calls():
    right = prepare.build_dataset
    with injected(specimens()["C6"]):
        assert prepare.build_dataset is not right
        assert prepare.build_dataset.__globals__["right"] is right
    assert prepare.build_dataset is right


def test_an_error_inside_puts_it_back_too():
    right, seen = Value.exp, []

    def fails():
        with injected(specimens()["A3"]):
            seen.append(Value.exp)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert seen != [right]
    assert Value.exp is right


def test_a_trap_changes_nothing():
    assert all(not one.places for one in specimens().values() if not one.fault)
    with injected(specimens()["A13"]):
        pass


def test_a_failing_certificate_blames_the_specimen_and_no_bug_of_ours():
    case = next(case for case in cases(["microgpt"], "exp") if case.name == "exp")
    with injected(specimens()["A3"], called="ada-1"):
        certificate = Certificate(seed=1, findings=(examine_any(case, 1),), not_compared={})
        with pytest.raises(ChangedCodeError, match="specimen ada-1 is in the program") as caught:
            certificate.check()
    assert caught.value.exit_code == 9
    assert "report" not in str(caught.value)


def test_a_walk_without_an_order_comes_to_an_end():
    a = Value(1.0)
    with injected(specimens()["A2"]):
        few = a + a
        for _ in range(3):
            few = few + few
        few.backward()
        assert a.grad > 16
        many = a
        for _ in range(40):
            many = many + many
        with pytest.raises(GuardError, match="comes to no end"):
            many.backward()
