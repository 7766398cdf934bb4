"""Log lines of failures that last."""

import logging

from netbird_streaming.log_context import REMIND_SECONDS, LogOnce


def test_same_failure_is_logged_again_after_the_interval() -> None:
    now = [5.0]
    log_once = LogOnce(lambda: now[0])
    levels = []
    for moment in (5.0, 6.0, 5.0 + REMIND_SECONDS, 6.0 + REMIND_SECONDS):
        now[0] = moment
        levels.append(log_once.level(logging.WARNING, "no right", "a"))
    assert levels == [logging.WARNING, logging.DEBUG, logging.WARNING, logging.DEBUG]


def test_another_failure_or_subject_is_logged_at_once() -> None:
    log_once = LogOnce()
    lines = [("no right", "a"), ("no right", "b"), ("no route", "a"), ("no route", "a")]
    assert [log_once.level(logging.WARNING, text, about) for text, about in lines] == [logging.WARNING] * 3 + [
        logging.DEBUG
    ]
    log_once.reset("a")
    assert log_once.level(logging.WARNING, "no route", "a") == logging.WARNING
