"""Accounts and the namespaces that they stand for."""

from __future__ import annotations

from model_operator.core.gateway.rest.accounts import Accounts


def _accounts(**labels: str | None) -> Accounts:
    accounts = Accounts()
    for name, label in labels.items():
        metadata = {"name": name, "labels": {"modeloperator.dev/account-id": label} if label else None}
        accounts.put({"metadata": metadata})
    return accounts


def test_an_account_is_a_namespace_or_the_label_of_several() -> None:
    accounts = _accounts(a=None, b="acme", c="acme", d="a")
    assert accounts.namespaces_of("a") == {"a"}  # the namespace of that name comes first
    assert accounts.namespaces_of("acme") == {"b", "c"}
    assert accounts.namespaces_of("nobody") == frozenset()
    assert accounts.namespaces_of("") == frozenset()
    assert "a" in accounts
    assert "acme" not in accounts


def test_the_account_of_an_object_is_what_it_states_or_the_label_or_the_namespace() -> None:
    accounts = _accounts(a=None, b="acme")
    assert accounts.account_of("a") == "a"
    assert accounts.account_of("b") == "acme"
    assert accounts.account_of("b", "stated") == "stated"
    assert accounts.account_of("unknown") == "unknown"
    assert accounts.account_of("") == "*"


def test_an_object_is_one_of_an_account_by_each_of_its_names() -> None:
    accounts = _accounts(b="acme")
    assert all(accounts.matches(account, "b", "stated") for account in ("b", "acme", "stated"))
    assert not accounts.matches("other", "b", "stated")
    assert accounts.matches("other", "")  # a ClusterModelTemplate serves every account


def test_a_label_that_changes_or_goes_counts_no_longer() -> None:
    accounts = _accounts(b="acme", c="acme")
    accounts.put({"metadata": {"name": "b", "labels": {"modeloperator.dev/account-id": "new"}}})
    assert accounts.namespaces_of("acme") == {"c"}
    accounts.remove("c")
    accounts.remove("c")
    assert accounts.namespaces_of("acme") == frozenset()
    assert accounts.account_of("b") == "new"
