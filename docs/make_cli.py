"""Writes docs/cli.md from the commands themselves, so that it cannot say anything that they do not: make cli-docs."""

import inspect
from pathlib import Path

import click

from flawsmith.cli import main
from flawsmith.data.files import write_text

PAGE = Path(__file__).with_name("cli.md")


def cell(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def default(option: click.Option) -> str:
    """What an option is where it is not given; its help already says so where the default is computed."""
    if option.required:
        return "required"
    if isinstance(option.show_default, str):
        return option.show_default
    return f"`{option.default}`" if option.show_default else ""


def section(name: str, command: click.Command) -> str:
    """One command: what it does, its arguments, its options, its example."""
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    usage = [name, *((one.human_readable_name.upper() + "..." * (one.nargs < 0)) for one in arguments), "[OPTIONS]"]
    example = (command.epilog or "").split("\n")[-1].strip()
    lines = [f"## flawsmith {name}", "", inspect.cleandoc(command.help or ""), ""]
    lines += ["```text", " ".join(["flawsmith", *usage]), "```", "", "Example:", "", "```sh", example, "```", ""]
    lines += ["| option | what it does | default |", "| --- | --- | --- |"]
    for option in command.params:
        if isinstance(option, click.Option):
            lines.append(f"| `{', '.join(option.opts)}` | {cell(option.help or '')} | {default(option)} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole page."""
    head = "# Commands\n\nMade from `flawsmith --help` by `make cli-docs`; do not edit.\n\n"
    return (
        head + inspect.cleandoc(main.help or "") + "\n\n" + "\n".join(section(*item) for item in main.commands.items())
    )


if __name__ == "__main__":
    write_text(PAGE, page())
