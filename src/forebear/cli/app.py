"""The commands and their options; each imports what it needs when it runs, so that help is instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from forebear.cli.ask import ask
from forebear.cli.greedy import GreedyCommand
from forebear.cli.options import DEFAULT_BUDGET, DEFAULT_MEMORY, SchemaName, parse_bytes, parse_names, parse_verdicts

app = typer.Typer(
    name="forebear",
    help="Find out which model a model descends from, and say so only as strongly as the evidence allows.",
    epilog="Exit codes: 0 done; 1 a bug of ours; 2 usage or refused input; 3 --fail-on met, or a replay that "
    "differs; 4 source unreachable; 130 interrupted; 141 the reader of a pipe went away.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of text.")]
ModelSource = Annotated[
    str, typer.Argument(metavar="MODEL", help="Model in question: a folder, a checkpoint file, or hf://org/name.")
]
References = Annotated[
    list[str], typer.Argument(metavar="REFERENCE...", help="One or more models it may descend from.")
]
Also = Annotated[
    list[str] | None,
    typer.Option(
        metavar="OTHER", help="Another model it may have been merged from, beside REFERENCE; may be repeated."
    ),
]
Base = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL", help="A declared legitimate ancestor: also say what is shared beyond it; may be repeated."
    ),
]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Also write one static, printable HTML page.")
]
WriteRenamed = Annotated[
    Path | None,
    typer.Option(
        "--write-renamed",
        metavar="DIR",
        help="Also write the model under the reference's names and in its layout, so that it runs in its code.",
    ),
]
Budget = Annotated[
    str, typer.Option(metavar="BYTES", help="Bytes of tensor data to read per model: 64000000, 64MB, 2GiB ...")
]
Memory = Annotated[
    str,
    typer.Option(metavar="BYTES", help="Memory to take at the peak; what does not fit is tested by samples."),
]
AdapterBase = Annotated[
    str | None,
    typer.Option("--adapter-base", metavar="MODEL", help="The model that a PEFT adapter is laid onto."),
]
Full = Annotated[
    bool, typer.Option("--full", help="Read every byte whatever the budget, and digest the whole content.")
]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the draw of rows to read.")]
FailOn = Annotated[
    str,
    typer.Option(
        metavar="VERDICTS",
        help="Exit with 3 when the verdict is one of these, separated by commas. 'derived' does not count where "
        "the reference descends from the model. Empty: never.",
    ),
]

Profiled = Annotated[
    list[str] | None,
    typer.Argument(metavar="MODEL...", help="Models: folders, checkpoint files, hf://org/name, or profile files."),
]
Of = Annotated[
    str,
    typer.Option(
        metavar="NAME,...", help="Profiles to take, separated by commas, or 'all'; see --list. Empty: the usual ones."
    ),
]
Control = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SOURCE",
        help="A model known to be a stranger to all others; four or more, each with its own --control, make a null.",
    ),
]
Sample = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Text to take activations on, instead of the one that comes with Forebear."),
]
Tokenizer = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The tokenizer.json of models that bring none, to take activations with."),
]
Csv = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Also write every curve as CSV, a row a layer.")
]
Svg = Annotated[
    Path | None,
    typer.Option(
        "--svg",
        metavar="FILE",
        help="Also draw the curves over depth, and with --matrix the matrix; needs the extra 'plot'.",
    ),
]
Write = Annotated[
    Path | None,
    typer.Option(
        "--write", metavar="FILE.json", help="Also write the curves of a single checkpoint as a profile file."
    ),
]


Only = Annotated[
    str,
    typer.Option(
        metavar="WHAT,...",
        help="Evidence to take, separated by commas: weights, documents, or single strands (repository, tokenizer, "
        "configuration, code, licence, declared). Empty: all there is.",
    ),
]
ClaimedSource = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL",
        help="A repository the model says it comes from; it competes with REFERENCE for every trace in the documents; "
        "may be repeated.",
    ),
]
BaseCode = Annotated[
    list[str] | None,
    typer.Option(metavar="DIR", help="Python code that any model may hold, counted for nothing; may be repeated."),
]
RedactNames = Annotated[bool, typer.Option("--redact-names", help="Leave names of people out of excerpts.")]
Dates = Annotated[
    str | None, typer.Option(metavar="FILE", help="JSON of dates of the model's files that you vouch for.")
]


@app.callback(invoke_without_command=True)
def forebear(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Find out which model a model descends from, and say so only as strongly as the evidence allows."""
    if version:
        from forebear import __version__

        typer.echo(f"forebear {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(cls=GreedyCommand)
def compare(
    model: ModelSource,
    references: References,
    *,
    also: Also = None,
    base: Base = None,
    as_json: Json = False,
    html: Html = None,
    write_renamed: WriteRenamed = None,
    budget: Budget = DEFAULT_BUDGET,
    memory: Memory = DEFAULT_MEMORY,
    adapter_base: AdapterBase = None,
    full: Full = False,
    seed: Seed = 0,
    only: Only = "",
    claimed_source: ClaimedSource = None,
    base_code: BaseCode = None,
    redact_names: RedactNames = False,
    dates: Dates = None,
    scan_licences: Annotated[
        bool, typer.Option("--scan-licences", help="Also have scancode-toolkit look for licences (extra licence-scan).")
    ] = False,
    behaviour: Annotated[
        list[str] | None,
        typer.Option(
            "--behaviour",
            metavar="FILE...",
            help="Answers to the same items, a strand beside the weights: the model's, the reference's, then those of "
            "strangers.",
        ),
    ] = None,
    fail_on: FailOn = "",
) -> None:
    """Compare a model with one reference, or rank several references.

    Prints the verdict (same, derived, related, shared start, independent, undetermined), how sure it is and what
    limits it.
    """
    from forebear.cli import comparing

    request = comparing.Request(
        model,
        tuple(references),
        parse_bytes(budget),
        full,
        seed,
        tuple(also or ()),
        tuple(base or ()),
        memory=parse_bytes(memory, "--memory"),
        adapter_base=adapter_base,
        only=parse_names(only),
        claimed_sources=tuple(claimed_source or ()),
        base_code=tuple(base_code or ()),
        redact_names=redact_names,
        dates=dates,
        scan_licences=scan_licences,
        behaviour=tuple(behaviour or ()),
    )
    raise typer.Exit(comparing.run(request, as_json, html, parse_verdicts(fail_on), write_renamed))


@app.command()
def inspect(
    model: ModelSource,
    *,
    as_json: Json = False,
    budget: Budget = DEFAULT_BUDGET,
    adapter_base: AdapterBase = None,
) -> None:
    """Show what a model is made of: format, family, sizes, roles, storage, and what a comparison would read of it."""
    from forebear.cli import inspecting

    inspecting.run(model, as_json, parse_bytes(budget), adapter_base)


@app.command()
def profile(
    models: Profiled = None,
    *,
    of: Of = "",
    matrix: Annotated[
        bool, typer.Option("--matrix", help="Also show every pair's figure in one matrix, and the tree.")
    ] = False,
    control: Control = None,
    sample: Sample = None,
    tokenizer: Tokenizer = None,
    as_json: Json = False,
    csv: Csv = None,
    svg: Svg = None,
    listed: Annotated[bool, typer.Option("--list", help="Explain every profile, and take none.")] = False,
    write: Write = None,
) -> None:
    """Take published fingerprints of models, each figure beside what strangers score.

    None of them is a test of descent: 'forebear compare' has those.
    """
    from forebear.cli import profiling

    if listed:
        profiling.explain(as_json)
        return
    output = profiling.Output(as_json, matrix, csv, svg, write)
    request = profiling.Request(tuple(models or ()), parse_names(of), tuple(control or ()), sample, tokenizer)
    profiling.run(request, output)


app.command()(ask)


@app.command(cls=GreedyCommand)
def behaviour(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL REFERENCE...", help="Files of the models' answers, or transcripts."),
    ] = None,
    *,
    controls: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE...", help="Answers of strangers to the same items; ten or more allow a verdict."),
    ] = None,
    gold: Annotated[Path | None, typer.Option(metavar="FILE", help="Right answers, where the files hold none.")] = None,
    reconstructed: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Answers of the reference with the recovered recipe applied to it (forebear reconstruct), one more "
            "column.",
        ),
    ] = None,
    counts: Annotated[
        tuple[int, int, int, int] | None,
        typer.Option(
            metavar="N ERRORS_A ERRORS_B SHARED", help="Published counts, instead of files: what they alone allow."
        ),
    ] = None,
    test: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="errors: shared errors and equal wrong answers. Of transcripts: next-token, continuations, "
            "same-model, identity.",
        ),
    ] = "errors",
    share: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of answers copied that the power is stated for.")
    ] = 0.2,
    power: Annotated[
        float, typer.Option(metavar="SHARE", help="Power that the number of items needed is stated for.")
    ] = 0.99,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Compare what models answer: shared errors beyond what difficulty explains, next tokens, identity.

    Behaviour alone says related, independent or undetermined, never who came first.
    """
    from forebear.cli import behaving

    given = (tuple(files or ()), counts, test, tuple(controls or ()), gold, reconstructed, share, power, seed)
    behaving.run(behaving.Request(*given), as_json)


@app.command()
def replay(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT.json", help="A result written by 'forebear compare --json'.")
    ],
    as_json: Json = False,
) -> None:
    """Run a comparison again from its own record: identical, or what differs and why.

    Exits with 0 when every figure repeats and with 3 when something differs.
    """
    from forebear.cli import replaying

    raise typer.Exit(replaying.run(result, as_json))


@app.command()
def reconstruct(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT.json", help="A result written by 'forebear compare --json'.")
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="New or empty folder for the reconstructed model.")
    ],
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the noise.")] = 0,
    as_json: Json = False,
) -> None:
    """Write a control: the reference with the steps of a result's recipe done again that need no model.

    Beside the model it shows how much of what the model does the recipe explains.
    """
    from forebear.cli import reconstructing

    reconstructing.run(result, output, seed, as_json)


@app.command()
def schema(
    name: Annotated[SchemaName, typer.Argument(help="Which result.")] = SchemaName.comparison,
    as_json: Annotated[bool, typer.Option("--json", help="A schema is always JSON; accepted for symmetry.")] = True,
) -> None:
    """Print the JSON Schema of a result."""
    from forebear.report import json

    typer.echo(json.dumps(json.schema(name.value)), nl=False)


cache = typer.Typer(rich_markup_mode=None)
app.add_typer(cache, name="cache")


@cache.callback(invoke_without_command=True)
def show_help(context: typer.Context) -> None:
    """Show or remove what is kept on this machine of models on hubs."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@cache.command("info")
def cache_info(as_json: Json = False) -> None:
    """Show where the cache lies, what it holds and what bounds it."""
    from forebear.cli import caching

    caching.info(as_json)


@cache.command("clear")
def cache_clear(as_json: Json = False) -> None:
    """Remove everything the cache holds."""
    from forebear.cli import caching

    caching.clear(as_json)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Folder for the models made and the reports.")
    ] = Path("forebear-demo"),
    as_json: Json = False,
) -> None:
    """Re-enact two published disputes on tiny models that come with Forebear."""
    from forebear.cli import demonstrating

    demonstrating.run(output, as_json)
