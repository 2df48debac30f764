"""The order of the house: which module may import which, and what each may do. Read from the source, never guessed.

Each test collects every offender of its rule, so that one run names them all.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hf_tome"

# From the ground up: a room imports rooms that stand before it. A new room needs a place here.
ROOMS = (
    "errors", "core", "config", "families", "engine", "api", "auto", "compiled", "cuda_graphs", "trace", "vlm", "data",
    "export", "metrics", "measure", "tune", "train", "show", "cli", "__main__",
)  # fmt: skip
UPWARDS = {("hf_tome.api", "hf_tome.tune")}  # r="auto": a late import
# Apart from the house: what these may import beyond the standard library and themselves.
APART = {"doctor": {"hf_tome.errors"}, "__init__": {"torch", "hf_tome"}}
THROUGH_API = set(ROOMS[ROOMS.index("data") :])  # rooms that reach a model by the calls that users have

HARD = {"torch", "transformers", "huggingface_hub", "safetensors", "yaml", "numpy", "PIL"}  # three come with others
EXTRAS = {
    "accelerate", "av", "datasets", "evaluate", "gradio", "matplotlib", "onnxruntime", "onnxscript", "openvino",
    "optuna", "peft", "pyarrow", "rich", "sklearn", "scipy", "soundfile", "starlette", "tensorboard",
    "torchaudio", "torchcodec", "torchvision", "tqdm", "typer",
}  # fmt: skip
TYPING_ONLY = {"jaxtyping"}
# Modules that are themselves imported late, and what these import beyond the hard dependencies.
IMPORTED_LATE = {
    "hf_tome.cli": {"typer", "rich"},
    "hf_tome.metrics": {"evaluate", "datasets", "scipy"},
    "hf_tome.core.ops.kernels": {"triton"},
}
MOST_LINES = 260
SOURCES = sorted(PACKAGE.rglob("*.py"))


@dataclass(frozen=True)
class Import:
    """One import statement.

    Attributes:
        module: the full name of the module that is imported.
        line: where it stands.
        typing: whether it stands under `if TYPE_CHECKING`.
        late: whether it stands in a function.
    """

    module: str
    line: int
    typing: bool
    late: bool

    @property
    def library(self) -> str:
        return self.module.partition(".")[0]


@cache
def tree_of(source: Path) -> ast.Module:
    return ast.parse(source.read_text(encoding="utf-8"))


def name_of(source: Path) -> str:
    """The module's full name."""
    parts = source.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room that a module of the package stands in."""
    return module.split(".")[1] if "." in module else "__init__"


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


@cache
def imports_of(source: Path) -> tuple[Import, ...]:
    return tuple(_imports(tree_of(source), False, False))


def _imports(node: ast.AST, typing: bool, late: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, typing, late) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, "imports are absolute"
            base = child.module or ""
            for alias in child.names:  # `from hf_tome.engine import patch` imports hf_tome.engine.patch
                whole = f"{base}.{alias.name}"
                inside = base.partition(".")[0] == "hf_tome" and is_module(whole)
                yield Import(whole if inside else base, child.lineno, typing, late)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _imports(ast.Module(child.body, []), True, late)
            yield from _imports(ast.Module(child.orelse, []), typing, late)
        else:
            yield from _imports(child, typing, late or isinstance(child, ast.FunctionDef | ast.Lambda))


def each_import() -> Iterator[tuple[Path, str, Import]]:
    """Every import of the package, with its file and its room."""
    for source in SOURCES:
        for found in imports_of(source):
            yield source, room_of(name_of(source)), found


def at(source: Path, found: Import) -> str:
    return f"{source.relative_to(ROOT)}:{found.line} imports {found.module}"


def test_imports_point_downwards() -> None:
    """Those under TYPE_CHECKING and in functions too. Rooms apart import what they may."""
    wrong = []
    for source, room, found in each_import():
        if room in APART:
            own = found.library in sys.stdlib_module_names or found.module.startswith(f"hf_tome.{room}")
            allowed = own or bool({found.library, found.module} & APART[room])
        elif found.library == "hf_tome":
            other = room_of(found.module)
            apart = other in APART and other != "__init__"
            up = found.late and (name_of(source), f"hf_tome.{other}") in UPWARDS
            version = found.module == "hf_tome"  # defines its version, and names what the rooms hold
            allowed = apart or up or version or ROOMS.index(other) <= ROOMS.index(room)
        else:
            allowed = True
        if not allowed:
            wrong.append(at(source, found))
    assert wrong == []


def test_no_import_runs_in_a_circle() -> None:
    """Modules of one room see each other one way only; types apart, which no import needs."""
    graph = {
        name_of(source): {i.module for i in imports_of(source) if i.library == "hf_tome" and not (i.typing or i.late)}
        for source in SOURCES
    }
    done: set[str] = set()

    def walk(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join([*way, module])
        if module not in done:
            for other in sorted(graph.get(module, set()) - {module}):
                walk(other, (*way, module))
            done.add(module)

    for module in sorted(graph):
        walk(module, ())


def test_a_model_is_reached_through_the_api() -> None:
    """By reports, pictures, training and the command line. The profiler names the steps that it marks."""
    assert [
        at(source, found)
        for source, room, found in each_import()
        if room in THROUGH_API and room_of(found.module) == "engine" and source.stem != "overhead"
    ] == []


def test_core_knows_torch_alone() -> None:
    wrong = []
    for source, room, found in each_import():
        libraries = {"torch", "hf_tome", *imported_late(source), *sys.stdlib_module_names}
        typing = found.typing and found.library in TYPING_ONLY
        if room == "core" and found.library not in libraries and not typing:
            wrong.append(at(source, found))
    assert wrong == []


def imported_late(source: Path) -> set[str]:
    return {one for module, own in IMPORTED_LATE.items() if name_of(source).startswith(module) for one in own}


def test_extras_are_imported_late() -> None:
    """In functions, or for types alone; modules that import them at the top are imported late themselves."""
    wrong = []
    for source, _, found in each_import():
        allowed = {"hf_tome", *HARD, *imported_late(source), *sys.stdlib_module_names}
        known = found.library in allowed | EXTRAS | TYPING_ONLY
        late = found.typing or (found.late and found.library not in TYPING_ONLY)
        if not known or (found.library not in allowed and not late):
            wrong.append(at(source, found))
    assert wrong == []


# What `engine.patch` writes on a model, and what nobody else may: attributes of other objects, classes, hooks.
OWN_OBJECTS = {
    "self",
    "LOCAL.now",
    "now",
    "training",
}  # the module itself, the state of the forward, Trainer's arguments
WRITING_CALLS = {
    "setattr", "delattr", "add_module", "set_submodule", "set_attn_implementation", "register_buffer",
    "register_module", "register_parameter", "register_forward_hook", "register_forward_pre_hook",
    "register_full_backward_hook", "register_full_backward_pre_hook", "register_load_state_dict_post_hook",
    "register_load_state_dict_pre_hook", "register_state_dict_post_hook", "register_state_dict_pre_hook",
}  # fmt: skip
# see `engine.layer`: a tensor's; see `auto`: transformers' class
NO_MODELS = {"x._tome_kept", "PreTrainedModel.from_pretrained"}


def fields_in(tree: ast.Module) -> set[str]:
    """The fields of the records that a module defines."""
    records = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {ast.unparse(part.target) for each in records for part in each.body if isinstance(part, ast.AnnAssign)}


def writes_in(tree: ast.Module, fields: set[str]) -> Iterator[str]:
    """Every place that sets or deletes an attribute of an object that is not its own, or calls what does.

    Args:
        tree: a module.
        fields: attributes that it may set: those of the records of its room.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            own = node.attr in fields or ast.unparse(node.value) in OWN_OBJECTS or ast.unparse(node) in NO_MODELS
            if node.attr.startswith("__") or not own:
                yield f"line {node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in WRITING_CALLS:
                yield f"line {node.lineno}: {ast.unparse(node)[:60]}"
        if isinstance(node, ast.Call | ast.Subscript) and "__dict__" in ast.unparse(node):
            yield f"line {node.lineno}: {ast.unparse(node)[:60]}"


def test_only_patch_writes_on_models() -> None:
    written = {}
    for source in SOURCES:
        room = [each for each in SOURCES if room_of(name_of(each)) == room_of(name_of(source))]
        fields = {field for each in room for field in fields_in(tree_of(each))}
        written[name_of(source)] = list(writes_in(tree_of(source), fields))
    for writer in ("hf_tome.engine.patch", "hf_tome.vlm.context"):  # each undoes what it does
        assert written.pop(writer)
    assert {name: lines for name, lines in written.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    ["model.config.tome = 1", "del layer._tome", "layer.__class__ = Shell", "a, b.c = 1, 2", "setattr(model, 'x', 1)",
     "tower.register_forward_hook(f)", "model.x += 1", "model.__dict__['x'] = 1", "model.x: int = 1",
     "for model.x in y: pass", "self.__class__ = Shell"],
)  # fmt: skip
def test_a_write_is_seen(line: str) -> None:
    assert list(writes_in(ast.parse(line), set()))


def test_files_are_short() -> None:
    lines = {str(source.relative_to(ROOT)): len(source.read_text("utf-8").splitlines()) for source in SOURCES}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def fresh_process(code: str) -> list[str]:
    """What `code` leaves in the list `names`, run in a process of its own."""
    command = [sys.executable, "-c", f"import json, sys\n{code}\nprint(json.dumps(sorted(names)))"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_package_imports_nothing_until_it_is_used() -> None:
    """`hf-tome doctor` runs where torch and transformers cannot be imported."""
    loaded = fresh_process(
        "import hf_tome, hf_tome.doctor, hf_tome.errors\nnames = {m.split('.')[0] for m in sys.modules}"
    )
    assert "hf_tome" in loaded
    assert not {*HARD, *EXTRAS, *TYPING_ONLY} & set(loaded)


def test_no_extra_is_imported_with_the_package() -> None:
    """Beyond those that transformers' own model code brings along where they are installed."""
    loaded = fresh_process(
        "from transformers import PretrainedConfig, PreTrainedModel\n"
        "from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS\n"
        "before = set(sys.modules)\n"
        "import hf_tome\n"
        "for name in hf_tome.__all__: getattr(hf_tome, name)\n"
        "names = {m.split('.')[0] for m in set(sys.modules) - before}"
    )
    assert "hf_tome" in loaded
    assert not {*EXTRAS, *TYPING_ONLY} & set(loaded)
