"""The page itself, in gradio: what stands where, and what follows what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_tome.data.extra import extra
from hf_tome.data.folder import NAMES
from hf_tome.data.labels import plain_name
from hf_tome.errors import ToMeError, ToMeValueError, complaint
from hf_tome.show.app.answers import SCHEDULES, Models, largest_r, setting, table, timed
from hf_tome.show.app.samples import samples
from hf_tome.show.look import Look, look, picture_of, write

if TYPE_CHECKING:
    from gradio import Blocks

ABOUT = """# What merges?
Drop an image, a sound or a clip below, or take a sample. Then move r. Everything happens on this machine.
"""
FIRST = "Choose a file first."


@dataclass(frozen=True)
class Replies:
    """What the page does when something is changed on it.

    Attributes:
        models: that see the files.
        folder: for animations.
    """

    models: Models
    folder: Path

    def opened(self, path: str | None) -> tuple[Any, ...]:
        """The file without merging, and sliders that fit its model; or what is wrong with it, in the table's place."""
        import gradio as gr

        none = None, gr.skip(), gr.skip(), gr.Audio(visible=False)
        if path is None:
            return *none, FIRST
        try:
            plain = self.models.open(Path(path))
        except ToMeError as error:
            return *none, f"### Not shown\n{error}"
        most, layers = largest_r(plain), len(plain.trace.token_counts) - 1
        heard = plain.classifier.modality == "audio"
        player = gr.Audio(value=path if heard else None, visible=heard)
        return plain, gr.Slider(maximum=most, value=3 * most // 5), gr.Slider(maximum=layers, value=layers), player, ""

    def merged(self, plain: Look | None, r: int, schedule: str, layer: int) -> Iterator[tuple[Any, ...]]:
        """What merging changes; times come last."""
        import gradio as gr

        if plain is None:
            yield None, gr.skip(), *self.drawn(None, 0)
            return
        wanted = setting(int(r), schedule)
        found = look(plain.classifier, plain.medium, wanted, plain.name)
        yield found, table(plain, found), *self.drawn(found, layer)
        yield found, table(plain, found, timed(plain, wanted)), gr.skip(), gr.skip()

    def drawn(self, found: Look | None, layer: int) -> tuple[Any, Any]:
        """The picture, and of a clip an animation too."""
        import gradio as gr

        if found is None:
            return gr.Image(visible=False), gr.Image(visible=False)
        picture = gr.Image(picture_of(found, int(layer)), visible=True)
        if found.classifier.modality != "video":
            return picture, gr.Image(visible=False)
        animation = self.folder / f"{plain_name(found.name)}.gif"
        write(found, animation, int(layer))
        return picture, gr.Image(str(animation), visible=True)


def page(model: str | None, folder: Path) -> Blocks:
    """The page, ready to launch.

    Args:
        model: hub name or folder of a classifier to use for the inputs that it takes.
        folder: for files that the page shows; must outlive it.

    Raises:
        ToMeValueError, UnsupportedModelError: if the model cannot be loaded or merged.
        MissingExtraError: without the extra [app].
    """
    with extra("app", "show the page"):
        import gradio as gr
    replies = Replies(Models(model), folder)
    with gr.Blocks(title="hf-tome", analytics_enabled=False) as blocks:
        plain, shown = gr.State(), gr.State()
        gr.Markdown(ABOUT)
        with gr.Row():
            with gr.Column(scale=1, min_width=320):
                file, r, schedule, layer = _controls(folder)
            with gr.Column(scale=2, min_width=480):
                told, picture, moving, player = _answers()
        inputs, outputs = [plain, r, schedule, layer], [shown, told, picture, moving]
        one: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1, "show_progress": "hidden"}
        live: dict[str, Any] = {"trigger_mode": "always_last", "show_progress": "hidden"}
        opening = file.change(replies.opened, file, [plain, r, layer, player, told], **one)
        opening.then(replies.merged, inputs, outputs, **one)
        gr.on([r.input, schedule.input], replies.merged, inputs, outputs, **{**live, **one})
        layer.input(replies.drawn, [shown, layer], [picture, moving], **live)
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


def _answers() -> tuple[Any, ...]:
    import gradio as gr

    bare: dict[str, Any] = {"interactive": False, "visible": False, "show_label": False}
    told = gr.Markdown(FIRST)
    picture = gr.Image(format="png", buttons=["download", "fullscreen"], elem_id="groups", **bare)
    moving = gr.Image(buttons=["download", "fullscreen"], elem_id="moving", **bare)
    return told, picture, moving, gr.Audio(buttons=["download"], **bare)


def launch(blocks: Blocks, port: int | None = None) -> str:
    """Serve the page to this machine alone, without a word to any other, and go on.

    Args:
        blocks: what `page` made; `blocks.block_thread()` waits for Ctrl-C, `blocks.close()` ends it.
        port: default the first free one from 7860.

    Returns:
        The address.

    Raises:
        ToMeValueError: if the port is taken.
    """
    from gradio.themes import Default

    own: dict[str, Any] = {"theme": Default(font=["system-ui", "sans-serif"]), "footer_links": [], "run_history": False}
    quiet: dict[str, Any] = {"prevent_thread_lock": True, "quiet": True, "show_error": True, "share": False}
    try:
        return blocks.launch(server_name="127.0.0.1", server_port=port, ssr_mode=False, **own, **quiet)[1]
    except OSError as error:
        rule = "The page needs a free port."
        raise ToMeValueError(complaint(rule, str(error).splitlines()[0], "Choose another with --port.")) from error
