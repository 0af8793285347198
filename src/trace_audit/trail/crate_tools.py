"""Tool-level provenance of a crate, as the Provenance Run Crate profile asks: which program of an attempt did what.

The workflow has three steps: reference, candidate, comparison. Of each attempt every program that ran is an action of
its own, on its inputs and with its artifacts; the workflow engine organised them.
"""

import shlex
from importlib import metadata
from pathlib import PurePosixPath
from typing import Any

from trace_audit.core.files import printable

STEPS = {
    "reference": "Run the reference on one pixel and keep its trace",
    "candidate": "Run the candidate on the same pixel and keep its trace and what it depended on",
    "comparison": "Compare both traces key by key, name the first that diverges and why",
}
WORKFLOW_TYPES = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
_COMPARED = ("compare_scaling_traces", "diff_summary", "differences", "key_graph")


class ToolRuns:
    """Adds steps, tools and the actions of attempts to a crate `made` with its `workflow`; `files` by their name."""

    def __init__(self, made: Any, workflow: Any, files: dict[str, Any]) -> None:
        from rocrate.model import ContextEntity

        self._made, self._workflow, self._files, self._new = made, workflow, files, ContextEntity
        about = {"@type": "SoftwareApplication", "name": "Snakemake", "url": "https://snakemake.github.io"}
        self._engine = self._add("#snakemake-engine", about | {"softwareVersion": metadata.version("snakemake")})
        self._tools: dict[str, Any] = {}
        self._steps: dict[str, Any] = {}
        self._examples: dict[str, list[Any]] = {}

    def _add(self, name: str, properties: dict[str, Any]) -> Any:
        return self._made.add(self._new(self._made, name, properties=properties))

    def add(self, record: dict[str, Any], run: Any) -> None:
        """The programs of one attempt, whose run of the workflow is the action `run`."""
        controls = []
        results: dict[str, list[Any]] = {role: [] for role in STEPS}
        for name in record["artifacts"]:
            if f"results/{name}" in self._files:
                results[_role_of(name)].append(self._files[f"results/{name}"])
        for number, command in enumerate(record["commands"]):
            role = _role(number, command["arguments"])
            action = self._action(record, number, command, role)
            action["object"] = self._inputs(record, role, results)
            action["result"] = results[role]
            control = {"@type": "ControlAction", "name": f"{role} of record {record['number']}"}
            controls.append(self._add(f"#control-{record['number']}-{number}", control))
            controls[-1]["instrument"] = self._step(role, action["instrument"])
            controls[-1]["object"] = action
            action["agent"] = run["agent"]
        if controls:
            about = {"@type": "OrganizeAction", "name": f"Snakemake's run of record {record['number']}"}
            organised = self._add(f"#organised-{record['number']}", about)
            organised["instrument"], organised["object"], organised["result"] = self._engine, controls, run

    def _action(self, record: dict[str, Any], number: int, command: dict[str, Any], role: str) -> Any:
        good = command["exit_code"] == 0 or (role == "comparison" and command["exit_code"] == 1)
        properties = {
            "@type": "CreateAction",
            "name": f"{role} of {record['scenario']}",
            "description": printable(shlex.join(map(str, command["arguments"]))),
            "endTime": record["time_utc"],
            "actionStatus": f"http://schema.org/{'Completed' if good else 'Failed'}ActionStatus",
        }
        if not good:
            properties["error"] = f"exit code {command['exit_code']}"
        action = self._add(f"#run-{record['number']}-{number}", properties)
        action["instrument"] = self._tool(str(command["arguments"][0]), role)
        self._made.root_dataset.append_to("mentions", action)
        return action

    def _inputs(self, record: dict[str, Any], role: str, results: dict[str, list[Any]]) -> list[Any]:
        if role == "comparison":
            return [*results["reference"], *results["candidate"]]
        kept = (name for name in record["inputs"] if name.startswith(("config/scenarios/", "results/inputs/")))
        return [self._files[name] for name in kept if name in self._files]

    def _tool(self, program: str, role: str) -> Any:
        """The program, by the name that it was called by."""
        name = printable(PurePosixPath(program).name)
        if name not in self._tools:
            about = {"@type": "SoftwareApplication", "name": name, "description": f"the {role}"}
            self._tools[name] = self._add(f"#tool-{len(self._tools) + 1}", about)
            self._workflow.append_to("hasPart", self._tools[name])
        return self._tools[name]

    def _step(self, role: str, tool: Any) -> Any:
        if role not in self._steps:
            position = str(list(STEPS).index(role) + 1)
            about = {"@type": "HowToStep", "name": role, "description": STEPS[role], "position": position}
            self._steps[role] = self._add(f"#step-{role}", about)
            self._workflow.append_to("step", self._steps[role])
        examples = self._examples.setdefault(role, [])
        if tool not in examples:
            examples.append(tool)
            self._steps[role]["workExample"] = examples[0] if len(examples) == 1 else examples
        return self._steps[role]


def _role(number: int, arguments: list[str]) -> str:
    """Which step a command of a record belongs to."""
    if str(arguments[0]).startswith("trace_audit."):
        return "comparison"
    return "reference" if number == 0 else "candidate"


def _role_of(artifact: str) -> str:
    path = PurePosixPath(artifact)
    if path.parent.name == "c":
        return "reference"
    return "comparison" if path.name.startswith(_COMPARED) else "candidate"
