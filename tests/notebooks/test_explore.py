"""The notebook is stored without outputs, and runs on real runs of several kinds without a word of warning."""

import shutil
import tempfile
from itertools import pairwise
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from small_project import REPOSITORY

from lightloop.project import Project

NOTEBOOK = REPOSITORY / "notebooks/explore.ipynb"


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_it_is_valid_and_holds_no_outputs():
    notebook = read()
    nbformat.validate(notebook)
    assert len(code_cells(notebook)) > 10
    for cell in code_cells(notebook):
        assert cell.outputs == []
        assert cell.execution_count is None
        assert set(cell.metadata) == set()
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


def test_every_title_has_cells_below_it():
    kinds = [cell.cell_type for cell in read().cells]
    assert kinds[0] == "markdown"
    assert kinds[-1] == "code"
    assert not any(here == there == "markdown" for here, there in pairwise(kinds))


def executed(project: Project) -> Any:
    """The notebook after it ran in a project; its kernel is on no network, and has ended."""
    folder = project.root / "notebooks"
    folder.mkdir(exist_ok=True)
    shutil.copy(NOTEBOOK, folder)
    notebook = read()
    # Sockets of files, by a whole path, since the kernel works in another folder; short, as the system wants it.
    with tempfile.TemporaryDirectory() as sockets:
        kernel = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=f"{sockets}/kernel")
        client = NotebookClient(
            notebook, km=kernel, timeout=300, startup_timeout=300, resources={"metadata": {"path": str(folder)}}
        )
        client.execute(cleanup_kc=True)  # else it leaves a kernel that it did not make itself running
    return notebook


def said(notebook: Any) -> str:
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    streams = {output.name for output in outputs if output.output_type == "stream"}
    assert streams <= {"stdout"}, [output.text for output in outputs if output.get("name") == "stderr"]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def shown(notebook: Any) -> list[str]:
    """The kinds of what is displayed."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs if "data" in output]
    return [kind for output in outputs for kind in output.data]


@pytest.mark.slow
def test_it_opens_a_run_on_images(finished: Project):
    notebook = executed(finished)
    text = said(notebook)
    assert "fashion, image, classification" in text
    assert "No column makes parts" in text
    kinds = shown(notebook)
    assert kinds.count("image/svg+xml") == 3, "metrics, history, calibration"
    assert kinds.count("image/png") == 1, "the explained image"
    # Charts are drawn here: a page that loads a library would be HTML with a script.
    assert not any("cdn" in str(output) for cell in code_cells(notebook) for output in cell.outputs)


@pytest.mark.slow
def test_it_opens_a_run_on_a_table(table_run: Project):
    notebook = executed(table_run)
    text = said(notebook)
    assert "tabular, classification" in text
    kinds = shown(notebook)
    assert kinds.count("image/svg+xml") == 6, "metrics, history, calibration, slices, importance, one answer"
    assert "image/png" not in kinds


@pytest.mark.slow
def test_it_opens_a_run_on_numbers(number_run: Project):
    notebook = executed(number_run)
    assert "tabular, regression" in said(notebook)
    assert "Nothing is classified here" in said(notebook)
    assert shown(notebook).count("image/svg+xml") >= 4


@pytest.mark.slow
def test_it_opens_a_run_on_texts(text_run: Project):
    notebook = executed(text_run)
    assert "spam, text, classification" in said(notebook)
    assert shown(notebook).count("image/svg+xml") >= 4, "metrics, history, calibration, one answer"


@pytest.mark.slow
def test_it_opens_a_run_on_series(series_run: Project):
    notebook = executed(series_run)
    text = said(notebook)
    assert "co2, series, forecasting" in text
    assert "Nothing is classified here" in text
    assert shown(notebook).count("image/svg+xml") >= 3, "metrics, history, one answer"


@pytest.mark.slow
def test_it_opens_a_run_of_a_generator(generator_run: Project):
    notebook = executed(generator_run)
    text = said(notebook)
    assert "fashion-gan, image, generation" in text
    assert "A generator is asked with noise" in text


def test_nothing_private_is_used():
    sources = "".join(cell.source for cell in code_cells(read()))
    assert "._" not in sources
    assert "from lightloop." not in sources, "the public interface alone"
