"""What was merged, in pictures: images, clips and sounds, from a trace and what the model saw."""

from hf_tome.show.animation import save_animation
from hf_tome.show.figures import schedule_figure, token_counts_figure
from hf_tome.show.groups import Span, group_map, time_spans
from hf_tome.show.pictures import attention_images, class_attention, film_strips, image_groups, video_groups
from hf_tome.show.scene import seen
from hf_tome.show.sheet import sheet
from hf_tome.show.spectrogram import sound_groups

__all__ = [
    "Span",
    "attention_images",
    "class_attention",
    "film_strips",
    "group_map",
    "image_groups",
    "save_animation",
    "schedule_figure",
    "seen",
    "sheet",
    "sound_groups",
    "time_spans",
    "token_counts_figure",
    "video_groups",
]
