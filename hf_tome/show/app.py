"""A page on this machine to try merging on: a file goes in; prediction, speed, tokens and picture follow r."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_tome.data.classifier import Classifier, load_classifier
from hf_tome.data.embedded import CLASSES, CLIPS, SOUNDS, embedded_images
from hf_tome.data.folder import NAMES
from hf_tome.data.labels import plain_name
from hf_tome.errors import ToMeError, ToMeValueError, complaint, extra
from hf_tome.measure.speed import measure
from hf_tome.measure.table import markdown, speed
from hf_tome.show.look import Look, classifier_for, kind_of, look, picture_of, write
from hf_tome.show.own_site import OwnSite

if TYPE_CHECKING:
    from gradio import Blocks

    from hf_tome.measure.row import Row

ABOUT = """# What merges?
Drop an image, a sound or a clip below, or take a sample. Then move r. Everything happens on this machine.
"""
FIRST = "Choose a file first."
SCHEDULES = {"constant": 0.0, "decreasing": -1.0, "increasing": 1.0}  # inflection by name
ROUNDS = 9  # of a measurement
LARGEST = "2gb"  # file that is taken: more would fill the disk before it is read


class Handlers:
    """What happens when something is changed on the page.

    Args:
        model: hub name or folder of a classifier for the inputs that it takes; for others, those inside the package.
        folder: for files that the page shows; must outlive it.

    Raises:
        ToMeValueError, UnsupportedModelError: if the model cannot be loaded or merged.
    """

    def __init__(self, model: str | None, folder: Path) -> None:
        own = [] if model is None else [load_classifier(model)]
        self.folder = folder
        self.own = own[0] if own else None
        self.classifiers: dict[str, Classifier] = {each.modality: each for each in own}

    def about(self, classifier: Classifier) -> str:
        """Which model answers, how it was saved, and why it is not the one that was given where it is another."""
        if self.own is None or classifier is self.own:
            saved = classifier.saved
            return f"Model: {classifier.name}{f', saved with r={saved.r}' if saved and saved.merges else ''}."
        return f"Model: {classifier.name}, since {self.own.name} takes {NAMES[self.own.modality]}."

    def open_file(self, path: str | None) -> tuple[Any, ...]:
        """The file without merging, and sliders that fit its model; or an error where the table would be."""
        import gradio as gr

        nothing = None, gr.skip(), gr.skip(), gr.Audio(visible=False)
        if path is None:
            return *nothing, FIRST
        file = Path(path)
        try:
            kind = kind_of(file)
            if kind not in self.classifiers:
                self.classifiers[kind] = classifier_for(kind, None)
            classifier = self.classifiers[kind]
            plain = look(classifier, classifier.read(file), 0, file.name)
        except ToMeError as error:
            return *nothing, f"### Not shown\n{error}"
        tokens, layers = plain.trace.token_counts[0], len(plain.trace.token_counts) - 1
        most = tokens // layers  # with more, no token would be left to merge before the last layer
        player = gr.Audio(value=path if kind == "audio" else None, visible=kind == "audio")
        saved = classifier.saved.r if classifier.saved and classifier.saved.merges else None
        r = min(saved, most) if isinstance(saved, int) else 3 * most // 5
        return plain, gr.Slider(maximum=most, value=r), gr.Slider(maximum=layers, value=layers), player, ""

    def merge(self, plain: Look | None, r: int, schedule: str, layer: int) -> Iterator[tuple[Any, ...]]:
        """What merging changes; times come last, as they take longer."""
        import gradio as gr

        if plain is None:
            yield None, gr.skip(), *self.pictures(None, 0)
            return
        inflection = SCHEDULES[schedule]
        setting = (int(r), inflection) if inflection else int(r)
        found, about = look(plain.classifier, plain.medium, setting, plain.name), self.about(plain.classifier)
        yield found, f"{about}\n\n{table(plain, found)}", *self.pictures(found, layer)
        inputs = plain.classifier.inputs([plain.medium])
        rows = measure(plain.classifier.model, inputs, [setting], rounds=ROUNDS, overhead=False)
        yield found, f"{about}\n\n{table(plain, found, rows)}", gr.skip(), gr.skip()

    def pictures(self, found: Look | None, layer: int) -> tuple[Any, Any]:
        """The picture, and of a clip an animation too."""
        import gradio as gr

        picture = animation = gr.Image(visible=False)
        if found is not None:
            picture = gr.Image(picture_of(found, int(layer)), visible=True)
        if found is not None and found.kind == "video":
            file = self.folder / f"{plain_name(found.name)}.gif"
            write(found, file, int(layer))
            animation = gr.Image(str(file), visible=True)
        return picture, animation


def table(plain: Look, merged: Look, rows: list[Row] | None = None) -> str:
    """Both side by side, in Markdown; `rows`, without merging and with it, are measured later."""
    before, after = plain.trace.token_counts, merged.trace.token_counts
    times, gain, macs, note = ["measuring"] * 2, "measuring", "measuring", ""
    if rows is not None:
        times = [f"{1000 / row.per_second:.1f} ms" for row in rows]
        gain, macs = f"**{speed(rows[1])}**", f"{rows[1].mac_ratio:.2f}x"
        note = f" Times are of {rows[0].inputs} rounds by turns, this input alone in its batch."
    lines = [
        ("prediction", plain.label, f"**{merged.label}**"),
        ("confidence", f"{plain.confidence:.1%}", f"**{merged.confidence:.1%}**"),
        ("tokens left", str(before[-1]), f"**{after[-1]}**"),
        ("time for this input", *times),
        ("speed-up", "", gain),
        ("times fewer multiply-adds", "", macs),
    ]
    text = markdown(("", "without merging", "merged"), lines)
    return f"{text}\n\nTokens layer by layer: {', '.join(map(str, after))}.{note}"


def samples(folder: Path) -> dict[str, dict[str, Path]]:
    """A file of each class, by kind and class: images are written to `folder`, the others lie in the package."""
    pictures, labels = embedded_images()
    images = {name: folder / f"{plain_name(name)}.png" for name in CLASSES}
    for number, file in enumerate(images.values()):
        pictures[labels.tolist().index(number)].save(file)
    sounds, clips = ({each.name: min(each.iterdir()) for each in sorted(place.iterdir())} for place in (SOUNDS, CLIPS))
    return {"image": images, "audio": sounds, "video": clips}


def page(model: str | None, folder: Path) -> Blocks:
    """The page, ready to launch. The arguments and errors are those of `Handlers`.

    Raises:
        MissingExtraError: without the extra [app].
    """
    with extra("app", "show the page"):
        import gradio as gr
    handlers = Handlers(model, folder)
    hidden: dict[str, Any] = {"interactive": False, "visible": False, "show_label": False}
    with gr.Blocks(title="hf-tome", analytics_enabled=False) as blocks:
        plain, shown = gr.State(), gr.State()
        gr.Markdown(ABOUT)
        with gr.Row():
            with gr.Column(scale=1, min_width=320):
                file, r, schedule, layer = _controls(folder)
            with gr.Column(scale=2, min_width=320):
                answer = gr.Markdown(FIRST)
                picture = gr.Image(format="png", buttons=["download", "fullscreen"], elem_id="groups", **hidden)
                animation = gr.Image(buttons=["download", "fullscreen"], elem_id="moving", **hidden)
                player = gr.Audio(buttons=["download"], **hidden)
        inputs, outputs = [plain, r, schedule, layer], [shown, answer, picture, animation]
        exclusive: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1, "show_progress": "hidden"}
        latest: dict[str, Any] = {"trigger_mode": "always_last", "show_progress": "hidden"}
        opening = file.change(handlers.open_file, file, [plain, r, layer, player, answer], **exclusive)
        opening.then(handlers.merge, inputs, outputs, **exclusive)
        gr.on([r.input, schedule.input], handlers.merge, inputs, outputs, **{**latest, **exclusive})
        layer.input(handlers.pictures, [shown, layer], [picture, animation], **latest)
    return blocks


def _controls(folder: Path) -> tuple[Any, ...]:
    import gradio as gr

    file = gr.File(label="Image, sound or clip", type="filepath", height=140)
    for kind, files in samples(folder).items():
        paths: Any = [str(each) for each in files.values()]
        gr.Examples(paths, file, label=f"Sample {NAMES[kind]}", example_labels=list(files))
    r = gr.Slider(0, 24, 14, step=1, label="r: tokens to merge in each layer")
    schedule = gr.Radio(list(SCHEDULES), value="constant", label="Schedule over the layers")
    return file, r, schedule, gr.Slider(0, 8, 8, step=1, label="Picture after so many layers")


def launch(blocks: Blocks, port: int | None = None) -> str:
    """Serve the page to this machine alone, in the background, and return its address.

    Args:
        blocks: what `page` made; `blocks.block_thread()` waits for Ctrl-C, `blocks.close()` ends it.
        port: default the first free one from 7860.

    Raises:
        ToMeValueError: if the port is taken.
    """
    from gradio.themes import Default
    from starlette.middleware import Middleware

    own: dict[str, Any] = {"theme": Default(font=["system-ui", "sans-serif"]), "footer_links": [], "run_history": False}
    quiet: dict[str, Any] = {"prevent_thread_lock": True, "quiet": True, "show_error": True, "share": False}
    safe: dict[str, Any] = {"max_file_size": LARGEST, "app_kwargs": {"middleware": [Middleware(OwnSite)]}}
    try:
        return blocks.launch(server_name="127.0.0.1", server_port=port, ssr_mode=False, **own, **quiet, **safe)[1]
    except OSError as error:
        rule = "The page needs a free port."
        raise ToMeValueError(complaint(rule, str(error).splitlines()[0], "Choose another with --port.")) from error
