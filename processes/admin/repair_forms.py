"""The forms of the verbs that have a page of their own. Hidden fields say which part, as the operator saw it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import simplejson
from django import forms
from django.core.exceptions import ValidationError

from processes.admin.forms import ValueField, VariablesField

MOVED = {"invalid_choice": "What you chose is not there any more: the instance moved meanwhile. Look again."}


def key() -> forms.IntegerField:
    """Of a part of the instance."""
    return forms.IntegerField(min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput)


def variables(help_text: str) -> VariablesField:
    return VariablesField(required=False, initial="{}", help_text=help_text)


def why(*, required: bool = True) -> forms.CharField:
    return forms.CharField(max_length=1000, required=required, help_text="Kept with the step, for whoever asks later.")


class CompleteJobForm(forms.Form):
    job = key()
    attempt = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    variables = variables(
        "The result: what the output mappings of the model see. Without output mappings it becomes variables."
    )
    reason = why()


class ThrowErrorForm(forms.Form):
    job = key()
    attempt = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    code = forms.CharField(max_length=255, help_text="An event of the model has to catch it, or nothing is done.")
    message = forms.CharField(max_length=10_000, required=False, help_text="For people.")
    variables = variables("Go to the scope of the event that catches it.")
    reason = why()


class SkipForm(forms.Form):
    node = key()
    variables = variables("Go to the scope around it, in place of what it would have given. Flows may ask for them.")
    reason = why()


class FireTimerForm(forms.Form):
    timer = key()
    reason = why(required=False)


class SendForm(forms.Form):
    subscription = key()
    variables = variables("What it brings.")
    reason = why(required=False)


class MoveForm(forms.Form):
    cancel = forms.ChoiceField(
        label="From", required=False, error_messages=MOVED, help_text="What stands there ends, with all inside it."
    )
    start = forms.ChoiceField(
        label="To", required=False, help_text="It starts as if a token had reached it. What is around it is entered."
    )
    variables = variables("Set in the process before it starts.")
    reason = why()

    def __init__(self, *given: Any, froms: Any = (), tos: Any = (), **named: Any) -> None:
        super().__init__(*given, **named)
        self.fields["cancel"].choices = [("", "nothing: one token more"), *froms]  # type: ignore[attr-defined]
        self.fields["start"].choices = [("", "nowhere: it ends here"), *tos]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if not said.get("cancel") and not said.get("start"):
            raise ValidationError("Expected something to end or something to start.")
        if said.get("variables") and not said.get("start"):
            raise ValidationError("Expected something to start, where variables are given.")
        return said


class RestartForm(forms.Form):
    before = forms.ChoiceField(label="Begin before", required=False)
    initial_variables = forms.BooleanField(
        required=False, help_text="With the variables that it began with, instead of those that it ended with."
    )
    variables = variables("Laid over them.")
    business_key = forms.CharField(max_length=255, required=False)
    reason = why()

    def __init__(self, *given: Any, tos: Any = (), **named: Any) -> None:
        super().__init__(*given, **named)
        self.fields["before"].choices = [("", "the start event"), *tos]  # type: ignore[attr-defined]


class SeenForm(forms.Form):
    """Variables of a scope to be changed, beside what they were when the form was made."""

    scope = forms.IntegerField(min_value=0, max_value=2**31 - 1, widget=forms.HiddenInput)
    seen = VariablesField(required=False, widget=forms.HiddenInput)

    def changed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those that are others than were seen."""
        seen = self.cleaned_data.get("seen") or {}
        return {name: value for name, value in given.items() if name not in seen or not same(seen[name], value)}

    def expected(self, names: Iterable[str]) -> dict[str, Any] | None:
        """What was seen of these; None: nothing was shown."""
        if not self.data.get("seen"):
            return None
        seen = self.cleaned_data["seen"]
        return {name: seen[name] for name in names if name in seen}


class EditAndRetryForm(SeenForm):
    incident = forms.IntegerField(min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)
    variables = VariablesField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 16, "cols": 80, "class": "json-input", "spellcheck": "false"}),
        help_text="Only what you change is set. Where somebody changed the same since, nothing is done.",
    )
    retries = forms.IntegerField(
        label="Tries", min_value=1, max_value=1000, required=False, help_text="Empty: as many as the model says."
    )
    reason = why(required=False)

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        gone = sorted(set(said.get("seen") or {}) - set(said.get("variables") or {}))
        if gone and "variables" in said:
            raise ValidationError(f"Expected {', '.join(gone)} too: variables are not taken away; null says nothing.")
        return said


class VariableForm(SeenForm):
    name = forms.CharField(max_length=1000, widget=forms.HiddenInput, strip=False)
    value = ValueField(label="New value", required=True, help_text="JSON: text in quotes, numbers without.")
    reason = why(required=False)


def same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are the same to the letter: 1 is not true, and 1.0 is not 1.00."""
    return _spelled(one) == _spelled(other)


def _spelled(value: Any) -> str:
    return simplejson.dumps(value, use_decimal=True, sort_keys=True)
