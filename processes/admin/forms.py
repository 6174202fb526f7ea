"""What an operator types or uploads, checked before the runtime is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import ValidationError

from processes.models.fields import DecimalDecoder
from processes.runtime.deployments import File

LARGEST_MODEL = 5 * 1024 * 1024
MOST_FILES = 50


class ValueField(forms.CharField):
    """A JSON value. Numbers keep their digits, and the text stays as it was typed until it is right."""

    widget = forms.Textarea(attrs={"rows": 8, "cols": 60, "class": "json-input", "spellcheck": "false"})
    kind = "a JSON value"

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return self.nothing()
        try:
            return json.loads(text, cls=DecimalDecoder, parse_constant=_refuse)
        except (ValueError, ArithmeticError, RecursionError) as error:
            raise ValidationError(f"Expected {self.kind} but found a mistake: {error}") from None

    def nothing(self) -> Any:
        return None


class VariablesField(ValueField):
    """A JSON object of variables."""

    kind = "a JSON object"

    def clean(self, value: Any) -> dict[str, Any]:
        variables = super().clean(value)
        if not isinstance(variables, dict):
            raise ValidationError('Expected a JSON object such as {"amount": 12.50}')
        return variables

    def nothing(self) -> Any:
        return {}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


class ManyFiles(forms.ClearableFileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """Any number of files, each checked as one."""

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        given = data if isinstance(data, list | tuple) else [data] if data else []
        if not given and not self.required:
            return []
        return [super(ManyFilesField, self).clean(file, initial) for file in given or [None]]


def why() -> forms.CharField:
    """Why somebody does it: at every form of a verb, and never demanded."""
    return forms.CharField(max_length=1000, required=False, help_text="Why, for the record of what was done.")


class DeployForm(forms.Form):
    document = ManyFilesField(
        label="BPMN or DMN files",
        required=False,
        help_text="BPMN 2.0 documents with at least one executable process, or DMN documents with decisions.",
        widget=ManyFiles(attrs={"accept": ".bpmn,.dmn,.xml,application/xml,text/xml"}),
    )
    text = forms.CharField(
        label="Or paste one",
        required=False,
        strip=False,
        max_length=LARGEST_MODEL,
        widget=forms.Textarea(attrs={"rows": 6, "cols": 60, "class": "json-input", "spellcheck": "false"}),
    )
    name = forms.CharField(label="Its file name", required=False, max_length=255, initial="pasted.bpmn")
    reason = why()

    def clean_document(self) -> list[Any]:
        documents: list[Any] = self.cleaned_data["document"]
        if len(documents) > MOST_FILES:
            raise ValidationError(f"Expected at most {MOST_FILES} files but found {len(documents)}")
        for document in documents:
            if document.size > LARGEST_MODEL:
                what = f"Expected at most {LARGEST_MODEL:,} bytes but {document.name} has {document.size:,}"
                raise ValidationError(what)
        return documents

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors and not given.get("document") and not (given.get("text") or "").strip():
            self.add_error("document", "Expected a file, or a pasted document, but found neither.")
        return given

    def files_given(self) -> list[File]:
        """What was uploaded and what was pasted; text as browsers send it has other ends of lines than the file had."""
        files = [File(document.name[:255], document.read()) for document in self.cleaned_data["document"]]
        text = self.cleaned_data["text"]
        if text.strip():
            name = self.cleaned_data["name"] or "pasted.bpmn"
            files.append(File(name, text.strip().replace("\r\n", "\n").encode("utf-8", "surrogatepass")))
        return files


class StartForm(forms.Form):
    business_key = forms.CharField(
        max_length=255, required=False, help_text="Your own name for this instance, such as an order number."
    )
    before = forms.ChoiceField(
        label="Begin",
        required=False,
        help_text="Where the instance begins; elsewhere than at its start event, what comes before is left out.",
    )
    variables = VariablesField(
        required=False, initial="{}", help_text="A JSON object. Numbers keep every digit that you type."
    )

    def __init__(self, *args: Any, elements: Sequence[tuple[str, str]] = (), reads: Sequence[str] = (), **more: Any):
        super().__init__(*args, **more)
        before: Any = self.fields["before"]
        before.choices = [("", "at the start event"), *elements]
        if reads:
            self.fields["variables"].initial = json.dumps(dict.fromkeys(reads), indent=2, ensure_ascii=False)
            self.fields[
                "variables"
            ].help_text += (
                " Proposed are the variables that the model reads and that nothing in it sets, as far as it tells."
            )


class VariablesForm(forms.Form):
    variables = VariablesField(required=True)
    scope = forms.IntegerField(min_value=0, required=False)
    reason = forms.CharField(max_length=1000, required=False)


class PickForm(forms.Form):
    """Ids of elements, apart by commas or white space."""

    node = forms.IntegerField(min_value=1)
    elements = forms.CharField(max_length=10_000)
    reason = forms.CharField(max_length=1000, required=False)

    def clean_elements(self) -> list[str]:
        return [id for id in re.split(r"[\s,]+", self.cleaned_data["elements"]) if id]


class ReasonActionForm(ActionForm):
    """Beside the actions of a list: why, for the record."""

    reason = forms.CharField(
        max_length=1000, required=False, widget=forms.TextInput(attrs={"placeholder": "why, for the record"})
    )


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=1000, required=False)


class RetryForm(forms.Form):
    retries = forms.IntegerField(min_value=1, max_value=1000, required=False)
    reason = forms.CharField(max_length=1000, required=False)


class SuspendForm(forms.Form):
    reason = forms.CharField(max_length=1000, required=False)
    all_versions = forms.BooleanField(required=False)
    with_instances = forms.BooleanField(required=False)


class MigrationForm(forms.Form):
    update_waits = forms.BooleanField(
        label="Evaluate timers and subscriptions anew",
        required=False,
        help_text="In the new model, instead of keeping what each instance waits for.",
    )
    rate = forms.FloatField(
        label="Instances a second, at most", required=False, min_value=0.001, max_value=100_000, initial=20
    )
    reason = forms.CharField(max_length=1000, required=False, help_text="For the history of every instance.")
