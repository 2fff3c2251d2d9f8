from dataclasses import replace

from nanochat.experiments.ablation.sweep import run_ablation, tell


class Stub:
    def __init__(self):
        self.calls = []

    def init(self, *, name, config):
        self.calls.append(("init", name, config["training.steps"]))

    def log(self, values, *, step):
        self.calls.append(("log", step, values))

    def finish(self):
        self.calls.append(("finish",))


def test_a_tracker_gets_a_run_for_each_cell(tiny_study, tmp_path):
    stub = Stub()
    study = run_ablation(replace(tiny_study, seeds=1), tmp_path, observe=tell(stub))
    first, n_calls = study.results[0], len(stub.calls) // 4
    calls = stub.calls[:n_calls]
    assert calls[0] == ("init", "tied_no_input_rmsnorm-5", 6)
    assert calls[-1] == ("finish",)
    assert [step for _, step, _ in calls[1:-1]] == [0, 1, 2, 3, 4, 5, 6, 6]
    assert calls[1][2] == {"val_loss": first.validations[0].loss}
    assert calls[3][2] == {"loss": first.losses[1], "val_loss": first.validations[1].loss}
    assert calls[-2][2]["final/val_loss"] == first.record.val_loss
    again = Stub()
    run_ablation(replace(tiny_study, seeds=1), tmp_path, observe=tell(again))
    assert again.calls == []
