"""Planned faults, as the SDKs' own retries, pollers and exceptions see them."""
import sys
import time

from azure.core.exceptions import DecodeError, DeserializationError, HttpResponseError, ServiceResponseError
from common import GROUP, LOCATION, ClientAuthenticationError, fails, run, wait


def groups():
    return estate.resources.resource_groups


def network():
    return estate.network


def planned(function):
    """Around a test: no fault of another one, and none left behind."""
    def test():
        sim.clear_faults()
        assert estate.group
        try:
            function()
        finally:
            sim.clear_faults()
    return test


@planned
def test_503_is_retried():
    sim.fault(match={"method": "GET", "path": f"*{GROUP}", "host": "arm"}, count=2, fault="status", status=503, code="ServiceUnavailable")
    assert groups().get(GROUP).name == GROUP


@planned
def test_throttling_is_waited_for():
    sim.fault(match={"method": "GET", "path": f"*{GROUP}", "host": "arm"}, fault="throttle", retryAfter="2")
    started = time.monotonic()
    assert groups().get(GROUP).name == GROUP
    assert time.monotonic() - started >= 1.9


@planned
def test_reset_before_is_retried():
    sim.fault(match={"method": "GET", "path": f"*{GROUP}", "host": "arm"}, fault="reset-before")
    assert groups().get(GROUP).name == GROUP


@planned
def test_reset_after_the_effect_is_retried():
    sim.fault(match={"method": "PUT", "path": "*rg-reset", "host": "arm"}, fault="reset-after")
    assert groups().create_or_update("rg-reset", {"location": LOCATION}).name == "rg-reset"


@planned
def test_html_where_json_is_due():
    sim.fault(match={"method": "GET", "path": f"*{GROUP}", "host": "arm"}, fault="html")
    fails((DecodeError, DeserializationError), None, groups().get, GROUP)


@planned
def test_broken_json():
    sim.fault(match={"method": "GET", "path": f"*{GROUP}", "host": "arm"}, fault="bad-json")
    fails(DecodeError, None, groups().get, GROUP)


@planned
def test_truncated_answer():
    sim.fault(match={"method": "GET", "path": f"*{GROUP}", "host": "arm"}, count=0, fault="truncate")
    fails((DecodeError, ServiceResponseError, HttpResponseError), None, groups().get, GROUP)


@planned
def test_slow_answer():
    sim.fault(match={"method": "GET", "path": f"*{GROUP}", "host": "arm"}, fault="slow")
    started = time.monotonic()
    assert groups().get(GROUP).name == GROUP and time.monotonic() - started > 1


@planned
def test_error_envelopes():
    for envelope in ("flat", "html", "none"):
        sim.fault(match={"method": "GET", "path": f"*{GROUP}", "host": "arm"}, fault="status", status=403, code="Planned", envelope=envelope)
        assert fails(HttpResponseError, None, groups().get, GROUP).status_code == 403


@planned
def test_operation_fails():
    sim.fault(match={"method": "PUT", "path": "*networkSecurityGroups/bad", "host": "arm"}, fault="op-failed", code="InternalServerError")
    problem = fails(HttpResponseError, None, lambda: wait(network().network_security_groups.begin_create_or_update(GROUP, "bad", {"location": LOCATION})))
    assert "InternalServerError" in str(problem), problem


@planned
def test_operation_is_cancelled():
    sim.fault(match={"method": "PUT", "path": "*networkSecurityGroups/bad", "host": "arm"}, fault="op-canceled")
    fails(HttpResponseError, None, lambda: wait(network().network_security_groups.begin_create_or_update(GROUP, "bad", {"location": LOCATION})))


@planned
def test_operation_never_ends():
    sim.fault(match={"method": "PUT", "path": "*networkSecurityGroups/never", "host": "arm"}, fault="op-never")
    poller = network().network_security_groups.begin_create_or_update(GROUP, "never", {"location": LOCATION})
    poller.wait(timeout=3)
    assert not poller.done() and poller.status() not in ("Succeeded", "Failed")


@planned
def test_token_endpoint_is_away():
    sim.fault(match={"method": "POST", "path": "*token", "host": "login"}, count=0, fault="status", status=503, code="temporarily_unavailable")
    fails((ClientAuthenticationError, HttpResponseError), None, sim.credential().get_token, f"https://{sim.ready['armHost']}/.default")


@planned
def test_gateway_timeout_while_the_work_goes_on():
    sim.fault(match={"method": "PUT", "path": "*rg-504", "host": "arm"}, fault="gateway-timeout")
    assert groups().create_or_update("rg-504", {"location": LOCATION}).name == "rg-504"


if __name__ == "__main__":
    sys.exit(run(sys.modules[__name__]))
