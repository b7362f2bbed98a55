"""Which test runs the commands and programs of which page; and which commands of a page another test runs."""

# A page and the tests that read it and run what it shows. A new page with commands belongs here.
PAGES = {
    "AGENTS.md": ["tests/docs/test_agents.py"],
    "README.md": ["tests/test_readme.py"],
    "docs/adopt.md": ["tests/adoption/test_docs.py"],
    "docs/audit.md": ["tests/docs/test_loop_pages.py"],
    "docs/compression.md": ["tests/docs/test_bundle_pages.py"],
    "docs/data.md": ["tests/collection/test_docs.py", "tests/docs/test_data_page.py"],
    "docs/deploy.md": ["tests/docs/test_bundle_pages.py"],
    "docs/explore.md": ["tests/runs/test_load_run.py"],
    "docs/explain.md": ["tests/docs/test_loop_pages.py"],
    "docs/fairness.md": ["tests/docs/test_loop_pages.py"],
    "docs/first-push.md": ["tests/docs/test_first_push.py"],
    "docs/folds.md": ["tests/docs/test_loop_pages.py"],
    "docs/new.md": ["tests/creation/test_create.py"],
    "docs/make-it-yours.md": ["tests/template/making/test_pages.py"],
    "docs/ml-test-score.md": ["tests/collection/test_docs.py", "tests/score/test_sequence.py"],
    "docs/monitoring.md": ["tests/monitoring/test_monitoring_docs.py"],
    "docs/predict.md": ["tests/docs/test_bundle_pages.py"],
    "docs/rehearsal.md": ["tests/docs/test_agents.py"],
    "docs/remote.md": ["tests/docs/test_remote_page.py", "tests/docs/test_first_push.py"],
    "docs/serving.md": ["tests/deploy/test_serving_docs.py"],
    "docs/troubleshooting.md": ["tests/doctor/test_page.py"],
    "docs/tutorial.md": ["tests/docs/test_tutorial.py"],
    "docs/update.md": ["tests/template/test_update.py"],
    "docs/wandb.md": ["tests/docs/test_bundle_pages.py"],
}
# Not run with its page: where it is run, and a word of it that stands there.
ELSEWHERE = {
    "docs/deploy.md": {
        "git clone <url> model && cd model": ("tests/deploy/test_recovery.py", '"clone"'),
        "lightloop serve": ("tests/deploy/test_recovery.py", '"serve"'),
    },
    "docs/predict.md": {
        "LIGHTLOOP_SIGN_KEY=bundle.key lightloop run": ("tests/serving/test_bundled.py", "LIGHTLOOP_SIGN_KEY"),
        "LIGHTLOOP_PUBLIC_KEY=bundle.pub lightloop serve": ("tests/serving/test_bundled.py", "LIGHTLOOP_PUBLIC_KEY"),
    },
    "docs/rehearsal.md": {
        "PYTHONPATH=tests python -m rehearsal mutations": ("tests/rehearsal/mutations.py", "def "),
        "PYTHONPATH=tests python -m rehearsal drift --keep DIR --cache CACHE": (
            "tests/rehearsal/scenarios.py",
            "drift",
        ),
    },
    "docs/wandb.md": {
        "export WANDB_API_KEY=...": ("tests/test_tracking.py", "WANDB_API_KEY"),
        "lightloop run": ("tests/test_loop.py", "run_small"),
        "lightloop dashboard push": ("tests/dashboard/test_push.py", "push"),
    },
}
