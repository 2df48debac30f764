"""The order of the house: which module may import which, and what each may do. Read from the source, never guessed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hf_tome"

# From the ground up. A room may import rooms of a lower floor; rooms of one floor may see each other, but not in a
# circle. A new room needs a place here.
FLOORS = (
    {"errors"},
    {"core"},
    {"config"},
    {"state"},
    {"attention"},
    {"adapters"},
    {"direct"},
    {"trial"},
    {"engine"},
    {"patch"},
    {"trace"},
    {"tune"},
    {"api"},
    {
        "overhead", "visualize", "metrics", "report", "train", "study", "demo", "show", "app", "embedded", "classifier",
        "card", "subject",
    },
    {"cli"},
    {"__main__"},
)  # fmt: skip
# Apart from the house: these may import the standard library, what is named here, and themselves.
APART = {
    "doctor": {"hf_tome.errors"},
    "fashion": {"numpy"},
    "media": {"hf_tome.errors", "numpy", "PIL", "av", "soundfile", "soxr"},
    "__init__": {"torch", "hf_tome"},
}
USED_BY_ALL = {"errors", "fashion", "doctor", "media"}  # rooms that others may import from any floor

HARD = {"torch", "transformers", "huggingface_hub", "yaml", "numpy", "PIL"}  # both of the hub come with transformers
EXTRAS = {
    "accelerate", "av", "datasets", "evaluate", "gradio", "matplotlib", "numba", "optuna", "rich", "sklearn",
    "soundfile", "soxr", "tensorboard", "torchaudio", "torchcodec", "torchvision", "tqdm", "typer",
}  # fmt: skip
TYPING_ONLY = {"jaxtyping"}

# Modules that are themselves imported late, and what these import beyond the hard dependencies.
KERNELS = "hf_tome.core.ops.kernels"
OWN_LIBRARIES = {
    "hf_tome.cli": {"typer", "rich"},
    "hf_tome.metrics": {"evaluate", "datasets"},
    "hf_tome.metrics.evaluators": {"evaluate", "scipy"},
    KERNELS: {"numba", "numpy", "triton"},
}

SOFT_LIMIT, HARD_LIMIT = 250, 260
SOURCES = sorted(PACKAGE.rglob("*.py"))
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))


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
    return tuple(_imports(tree_of(source), name_of(source), source.name == "__init__.py", False, False))


def _imports(node: ast.AST, module: str, is_package: bool, typing: bool, late: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, typing, late) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:  # relative: counted from the package that the module is in
                package = module.split(".")[: None if is_package and child.level == 1 else is_package - child.level]
                base = ".".join([*package, *([base] if base else [])])
            for alias in child.names:  # `from hf_tome import patch` imports hf_tome.engine.patch
                whole = f"{base}.{alias.name}"
                inside = base.partition(".")[0] == "hf_tome" and is_module(whole)
                yield Import(whole if inside else base, child.lineno, typing, late)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for statement in child.body:
                yield from _imports(ast.Module([statement], []), module, is_package, True, late)
            for statement in child.orelse:
                yield from _imports(ast.Module([statement], []), module, is_package, typing, late)
        else:
            inside = late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, module, is_package, typing, inside)


def floor_of(room: str) -> int:
    """The package itself, which names what the rooms define, stands with the command line."""
    room = "cli" if room == "__init__" else room
    return next(level for level, rooms in enumerate(FLOORS) if room in rooms)


@each_source
def test_each_module_stands_in_a_known_room(source: Path) -> None:
    room = room_of(name_of(source))
    assert room in APART or any(room in rooms for rooms in FLOORS), f"give {room!r} a place in FLOORS"


@each_source
def test_imports_point_one_way(source: Path) -> None:
    """Those under TYPE_CHECKING and in functions too."""
    room = room_of(name_of(source))
    if room in APART:
        return
    for found in imports_of(source):
        if found.library != "hf_tome":
            continue
        other = room_of(found.module)
        allowed = other in USED_BY_ALL or floor_of(other) <= floor_of(room)
        assert allowed, f"line {found.line}: {room} imports {other}"


def test_no_import_runs_in_a_circle() -> None:
    """Rooms of one floor, and modules of one room, may see each other one way only."""
    graph = {
        name_of(source): {found.module for found in imports_of(source) if found.library == "hf_tome"}
        for source in SOURCES
        if source != PACKAGE / "__init__.py"  # it names what the others define, and imports it late
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


@each_source
def test_modules_apart_import_only_what_they_may(source: Path) -> None:
    room = room_of(name_of(source))
    for found in imports_of(source) if room in APART else ():
        own = found.library in sys.stdlib_module_names or found.module.startswith(f"hf_tome.{room}")
        named = {found.library, found.module} & APART[room]
        assert own or named, f"line {found.line}: {room} imports {found.module}"


@each_source
def test_what_stands_above_the_api_goes_through_it(source: Path) -> None:
    """Reports, pictures, training and the command line reach a model by the calls that users have."""
    if room_of(name_of(source)) not in {
        "visualize",
        "metrics",
        "report",
        "train",
        "embedded",
        "classifier",
        "demo",
        "show",
        "app",
        "study",
        "cli",
    }:
        return
    inner = {"state", "attention", "engine", "patch"}
    assert not [found for found in imports_of(source) if inner & set(found.module.split("."))]


def own_libraries(source: Path) -> set[str]:
    return {one for part, own in OWN_LIBRARIES.items() if name_of(source).startswith(part) for one in own}


@each_source
def test_core_knows_torch_alone(source: Path) -> None:
    if room_of(name_of(source)) != "core":
        return
    allowed = {"torch", "hf_tome", *own_libraries(source), *sys.stdlib_module_names}
    wrong = [f for f in imports_of(source) if f.library not in allowed and not (f.typing and f.library in TYPING_ONLY)]
    assert not wrong


@each_source
def test_what_is_no_hard_dependency_is_imported_late(source: Path) -> None:
    """The command line and the kernels may import their own; all else is imported where it is used, or for types."""
    allowed = {"hf_tome", *HARD, *own_libraries(source), *sys.stdlib_module_names}
    for found in imports_of(source):
        if found.module.startswith(KERNELS) and not name_of(source).startswith(KERNELS):
            assert found.late, f"line {found.line}: the kernels import triton and numba"
        if found.library not in allowed:
            assert found.library in EXTRAS | TYPING_ONLY, f"line {found.line}: {found.library} is no known dependency"
            assert found.typing or found.late, f"line {found.line}: {found.library} is an extra"
        assert found.library not in TYPING_ONLY or found.typing, f"line {found.line}"


# What `patch` writes on a model, and what nobody else may: attributes of other objects, classes, hooks.
OWN_OBJECTS = {"self", "LOCAL.now", "frame"}  # what a module may write on: itself, and the state of the forward
WRITING_CALLS = {
    "setattr", "delattr", "add_module", "set_submodule", "set_attn_implementation", "register_buffer",
    "register_module", "register_parameter", "register_forward_hook", "register_forward_pre_hook",
    "register_full_backward_hook", "register_full_backward_pre_hook", "register_load_state_dict_post_hook",
    "register_load_state_dict_pre_hook", "register_state_dict_post_hook", "register_state_dict_pre_hook",
}  # fmt: skip


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
            own = node.attr in fields or ast.unparse(node.value) in OWN_OBJECTS
            if node.attr.startswith("__") or not own:
                yield f"line {node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in WRITING_CALLS:
                yield f"line {node.lineno}: {ast.unparse(node)[:60]}"
        if isinstance(node, ast.Call | ast.Subscript) and "__dict__" in ast.unparse(node):
            yield f"line {node.lineno}: {ast.unparse(node)[:60]}"


@each_source
def test_only_patch_writes_on_models(source: Path) -> None:
    room = [each for each in SOURCES if room_of(name_of(each)) == room_of(name_of(source))]
    fields = {field for each in room for field in fields_in(tree_of(each))}
    written = list(writes_in(tree_of(source), fields))
    if name_of(source) == "hf_tome.engine.patch":
        assert written  # it does write, so the search finds something
    else:
        assert not written


@pytest.mark.parametrize(
    "line",
    ["model.config.tome = 1", "del layer._tome", "layer.__class__ = Shell", "a, b.c = 1, 2", "setattr(model, 'x', 1)",
     "tower.register_forward_hook(f)", "model.x += 1", "model.__dict__['x'] = 1", "model.x: int = 1",
     "for model.x in y: pass", "self.__class__ = Shell"],
)  # fmt: skip
def test_a_write_is_seen(line: str) -> None:
    assert list(writes_in(ast.parse(line), set()))


@each_source
def test_files_are_short(source: Path) -> None:
    lines = len(source.read_text(encoding="utf-8").splitlines())
    if SOFT_LIMIT < lines <= HARD_LIMIT:
        warnings.warn(f"{source.relative_to(ROOT)} has {lines} lines: one idea a file?", stacklevel=1)
    assert lines <= HARD_LIMIT


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
        "hf_tome.apply_tome, hf_tome.remove_tome, hf_tome.trace_tome, hf_tome.ToMeConfig\n"
        "names = {m.split('.')[0] for m in set(sys.modules) - before}"
    )
    assert "hf_tome" in loaded
    assert not {*EXTRAS, *TYPING_ONLY} & set(loaded)
