import re

from hypothesis import example, given
from hypothesis import strategies as st

from netbird_streaming.api.timestamps import as_rfc_3339, parse_time
from netbird_streaming.api.validation.fields import TIME

_DATES = st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())


@given(st.text(max_size=80) | _DATES)
@example("2024-01-04T14:03:26.634554123Z")
@example("2024-01-04T15:03:26+01:00")
@example("2024-01-04 14:03:26+00:00")
@example("20240104T140326Z")
@example("2024-01-04T14:03:26." + "0" * 200 + "Z")
@example("2024-01-04T14:03:26+01:00:30")
@example("0001-01-01T00:00:00+01:00:30")
@example("0001-01-01T00:00:00Z")
@example("2024-01-04T14:03:26Z\n")
@example("2024-01-04T14:03:26")
@example("yesterday")
def test_readable_time_is_converted_to_one_that_a_status_accepts(text: str) -> None:
    moment, found = parse_time(text), as_rfc_3339(text)
    if found is None:
        assert moment is None or moment.year in {1, 9999}
        return
    assert re.search(str(TIME["pattern"]), found)
    assert len(found) <= int(str(TIME["maxLength"]))
    assert parse_time(found) == moment


def test_time_in_the_right_format_is_kept_as_sent() -> None:
    assert as_rfc_3339("2024-01-04T15:03:26.634554+01:00") == "2024-01-04T15:03:26.634554+01:00"
