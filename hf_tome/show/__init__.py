"""What was merged, in pictures: images, clips and sounds, from a trace and what the model saw."""

from hf_tome.show.animation import save_animation
from hf_tome.show.class_token import attention_images, class_attention
from hf_tome.show.counts import schedule_figure, token_counts_figure
from hf_tome.show.groups import group_map
from hf_tome.show.image import image_groups
from hf_tome.show.seen import seen
from hf_tome.show.sheet import sheet
from hf_tome.show.sound import sound_groups
from hf_tome.show.video import Span, film_strips, time_spans, video_groups

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
