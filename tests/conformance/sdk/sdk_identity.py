"""azure-identity: tokens, their refusals, their end."""
import sys
import time

from azure.identity import CertificateCredential, ClientAssertionCredential, ClientSecretCredential  # noqa: F401
from azure.mgmt.resource.subscriptions import SubscriptionClient
from common import CLIENT, SUBSCRIPTION, TENANT, ClientAuthenticationError, fails, run


def scope():
    return f"https://{sim.ready['armHost']}/.default"


def test_client_secret_gets_a_token():
    before = time.time()
    token = sim.credential().get_token(scope())
    assert 0 < token.expires_on - before < 90000 and len(token.token) > 20


def test_token_opens_arm():
    assert SUBSCRIPTION in [s.subscription_id for s in sim.client(SubscriptionClient).subscriptions.list()]


def test_assertion_gets_a_token():
    # Workload identity: what a federated identity's token file holds. The simulator does not look at the signature.
    assertion = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6YTpiIn0.c2ln"
    credential = ClientAssertionCredential(TENANT, CLIENT, lambda: assertion, authority=sim.login,
                                           disable_instance_discovery=not sim.has_names)
    assert credential.get_token(scope()).token


def test_wrong_secret():
    problem = fails(ClientAuthenticationError, None, sim.credential(secret="wrong").get_token, scope())
    assert "AADSTS7000215" in str(problem), problem


def test_unknown_client():
    problem = fails(ClientAuthenticationError, None, sim.credential(client="99999999-9999-9999-9999-999999999999").get_token, scope())
    assert "AADSTS700016" in str(problem), problem


def test_unknown_tenant():
    problem = fails(Exception, None, sim.credential(tenant="99999999-9999-9999-9999-999999999999").get_token, scope())
    assert "AADSTS90002" in str(problem) or "Unable to get authority configuration" in str(problem), problem


def test_unknown_resource():
    problem = fails(ClientAuthenticationError, None, sim.credential().get_token, "https://example.invalid/.default")
    assert "AADSTS500011" in str(problem), problem


def test_token_for_another_audience():
    client = SubscriptionClient(sim.credential(), **{**sim.options(), "credential_scopes": ["2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default"]})
    fails(ClientAuthenticationError, "InvalidAuthenticationToken", lambda: list(client.subscriptions.list()))


def test_zz_token_expires():
    credential = sim.credential()
    client = sim.client(SubscriptionClient, credential=credential)
    assert list(client.subscriptions.list())
    sim.advance(25 * 3600)
    fails(ClientAuthenticationError, "ExpiredAuthenticationToken", lambda: list(client.subscriptions.list()))
    assert list(sim.client(SubscriptionClient, credential=sim.credential()).subscriptions.list())


if __name__ == "__main__":
    sys.exit(run(sys.modules[__name__]))
