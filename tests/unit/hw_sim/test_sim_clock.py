"""Virtual time: order, cancelling, and refusing to go back."""

import pytest

from hw_sim.world.clock import Clock


def test_due_calls_run_in_order_of_time_then_of_asking() -> None:
    clock = Clock()
    seen: list[tuple[str, int]] = []

    def note(name: str) -> None:
        seen.append((name, clock.now_ns))

    clock.call_at(20, lambda: note("late"))
    clock.call_at(10, lambda: note("first"))
    clock.call_at(10, lambda: note("second"))
    clock.advance_to(15)
    assert seen == [("first", 10), ("second", 10)]
    assert clock.now_ns == 15
    clock.advance_to(20)
    assert seen[-1] == ("late", 20)


def test_a_cancelled_call_does_not_run() -> None:
    clock = Clock()
    seen: list[int] = []
    timer = clock.call_after(5, lambda: seen.append(1))
    assert timer.pending
    assert clock.next_due_ns() == 5
    timer.cancel()
    assert clock.next_due_ns() is None
    clock.advance_to(100)
    timer.cancel()
    assert seen == []


def test_a_callback_may_ask_for_more_and_may_advance_the_clock() -> None:
    clock = Clock()
    seen: list[int] = []

    def outer() -> None:
        clock.call_after(1, lambda: seen.append(clock.now_ns))
        clock.advance_to(50)

    clock.call_at(10, outer)
    clock.advance_to(20)
    assert seen == [11]
    assert clock.now_ns == 50


def test_time_does_not_go_back() -> None:
    clock = Clock()
    clock.advance_to(100)
    with pytest.raises(ValueError, match="already at 100"):
        clock.advance_to(99)
    with pytest.raises(ValueError, match="already at 100"):
        clock.call_at(99, lambda: None)
