"""Fine-tuning a classifier with merging, from names in a command to a saved model with its card."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from transformers import AutoConfig, PreTrainedModel, TrainingArguments, set_seed

from hf_tome.data.classifier import modality_of
from hf_tome.data.encoder import Encoder, frames_of
from hf_tome.data.folder import as_text
from hf_tome.data.media import Media
from hf_tome.data.pretrained import as_vit, load_processor, loaded, saved_settings
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.measure.card import check_token
from hf_tome.measure.variants import even_steps, read_one_r
from hf_tome.train.augment import Clips, Pictures, Spectrograms, spectrogram_size
from hf_tome.train.callback import ToMeCallback
from hf_tome.train.card import unlink_base
from hf_tome.train.files import LabelledFiles, Read, has_several, inputs_of, load_files, readable
from hf_tome.train.options import Options, fitting_together
from hf_tome.train.pretrained import backbone_of, classifier, merge_for_training, with_adapters
from hf_tome.train.run import run
from hf_tome.train.trainer import ToMeTrainer

PROBLEM = {False: "single_label_classification", True: "multi_label_classification"}  # by: several labels a sample


def finetune(
    options: Options,
    training: TrainingArguments,
    model: PreTrainedModel | None = None,
    processor: Any = None,
    files: tuple[Media, Media, list[str]] | None = None,
) -> ToMeTrainer:
    """Train, evaluate, and save the model with its card in `training.output_dir`. 0 epochs: only evaluate.

    Args:
        options: of the command.
        training: transformers' own.
        model: one that is loaded already, with `processor`; by default what `options.model` names.
        files: as `load_files` gives them; by default what `options.data` names.

    Raises:
        ToMeError: if an option is wrong, or the model or a file cannot be used.
        SystemExit: after Ctrl-C, with code 130.
    """
    set_seed(training.seed)
    r = None if options.r is None else read_one_r(options.r)  # refuses what is wrong before anything is loaded
    if training.push_to_hub:
        check_token("--push_to_hub writes to the hub, as its owner.")
    if model is None and not options.model:
        cure = "For example --model google/vit-base-patch16-224-in21k, or a folder."
        raise ToMeValueError(complaint("--model names the model to train.", "none", cure))
    config: Any = loaded(AutoConfig, options.model) if model is None else model.config
    modality = modality_of(options.model, as_vit(config) if config.model_type == "vit_mae" else config)
    train, evaluation, labels = files or _files(options, modality, training.seed, config)
    several = has_several(train, evaluation)
    if model is None:
        model = classifier(options.model, labels, modality, problem_type=PROBLEM[several])
        processor = load_processor(options.model, modality, config)
    read = _reader(options, modality, processor, config)
    if options.max_train_samples is not None and options.max_train_samples < len(train):
        train = train.select(random.Random(training.seed).sample(range(len(train)), options.max_train_samples))
    if options.skip_bad_files:
        train, evaluation = readable(train, read), readable(evaluation, read)
    merging = _merging(options, r, model, Encoder(model, processor, modality), read, train)
    if several and training.metric_for_best_model == "accuracy":
        training.metric_for_best_model = "mAP"
    views = read.views if isinstance(read, Clips) else 1
    seed = training.seed if options.augment or modality == "audio" else None
    with fitting_together():
        trainer = ToMeTrainer(
            merging,
            training,
            train_dataset=LabelledFiles(train, read, len(labels), seed=seed, mixup=options.mixup, several=several),
            eval_dataset=LabelledFiles(evaluation, read, len(labels), views=views, several=several),
            compute_metrics=metrics(several, views),
            compute_loss_func=soft_cross_entropy if options.mixup and not several else None,
            processing_class=processor,
            callbacks=[ToMeCallback(warmup=options.r_warmup)],
        )
    run(trainer, options.resume)
    _write_card(trainer, options, modality)
    return trainer


def _write_card(trainer: ToMeTrainer, options: Options, modality: str) -> None:
    """The model card, with the names of base model and data."""
    base, data = options.model or None, as_text(Path(options.data or "").name) or None
    trainer.create_model_card(tasks=f"{modality}-classification", finetuned_from=base, dataset=data)
    if base and Path(base).is_dir() and trainer.is_world_process_zero():
        unlink_base(Path(str(trainer.args.output_dir)) / "README.md", base)


def _files(options: Options, modality: str, seed: int, config: Any) -> tuple[Media, Media, list[str]]:
    """What `options.data` names, with the model's classes where it knows them. A stream is read as far as wanted."""
    names = "split", "media_column", "label_column", "validation_fraction", "streaming", "skip_bad_files"
    chosen = {name: getattr(options, name) for name in names}
    limit = options.max_train_samples if options.streaming else None
    like = [str(config.id2label[number]) for number in sorted(config.id2label)]
    return load_files(options.data, modality, seed, like=like, limit=limit, **chosen)


def _reader(options: Options, modality: str, processor: Any, config: Any) -> Read:
    """What makes the model's inputs of a file."""
    if modality == "image":
        return Pictures(processor, options.rand_augment)
    if modality == "video":
        return Clips(processor, frames_of(config), options.eval_clips, options.eval_crops)
    frames, mels = spectrogram_size(processor)
    masks = round(options.time_mask * frames), round(options.mel_mask * mels)
    return Spectrograms(processor, *masks, options.speed, options.seconds)


def _merging(options: Options, r: Any, model: Any, encoder: Encoder, read: Read, train: Media) -> Any:
    """The model with the part that is trained, merged. r: as given, else as saved, else half of what would merge all
    tokens away."""
    saved = saved_settings(model.config)
    if r is None and not (saved and saved.merges):
        inputs = {name: value[None] for name, value in inputs_of(read, train.files[0]).items()}
        r = even_steps(encoder, inputs, 1)[0]
    if options.lora:
        model = with_adapters(model, options.lora)
    elif options.freeze_backbone:
        backbone_of(model).requires_grad_(False)
    return merge_for_training(model, saved.r if r is None and saved else r, options.prop_attn)


def metrics(several: bool, views: int = 1) -> Callable[[Any], dict[str, Any]]:
    """A Trainer's `compute_metrics`: accuracy, or mean average precision where a sample has several labels.

    Each sample is `views` inputs, one after the other, whose scores are averaged.
    """
    from hf_tome.metrics.accuracy import Accuracy
    from hf_tome.metrics.average_precision import MeanAveragePrecision

    def compute(predicted: Any) -> dict[str, Any]:
        scores = predicted.predictions.reshape(-1, views, predicted.predictions.shape[-1]).mean(1)
        metric = (MeanAveragePrecision if several else Accuracy)(keep_in_memory=True)
        return metric.compute(predictions=scores, references=predicted.label_ids[::views]) or {}

    return compute


def soft_cross_entropy(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    """The loss for class numbers (batch,), and for shares of classes (batch, classes) that mixup makes."""
    logits = outputs["logits"].float()
    if num_items_in_batch is None:
        return F.cross_entropy(logits, labels)
    items = num_items_in_batch / labels[0].numel()  # the Trainer counts every number of a label
    return F.cross_entropy(logits, labels, reduction="sum") / items
