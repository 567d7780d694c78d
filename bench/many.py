"""The same trainings one after another, or as tasks of a local Ray with two workers; each in a process of its own, which prints JSON."""
import json, sys, time


def trained(data, out, workers, n_seeds=4, **settings):
    "Seconds of trainings from several seeds, and their scores; without `workers` one after another."
    start = time.perf_counter()
    if workers:
        import ray
        from brainmri.study.cluster import train_many
        ray.init(num_cpus=workers, log_to_driver=False, include_dashboard=False)
        table = train_many(data, out, n_seeds=n_seeds, n_robust=0, progress=False, **settings)
    else:
        from brainmri.study.study import train_all
        table = train_all(data, out=out, n_seeds=n_seeds, n_robust=0, progress=False, **settings).table
    return dict(workers=workers, trainings=len(table)*n_seeds, seconds=time.perf_counter() - start,
                valid_mean=table.set_index("recipe").valid_mean.round(6).to_dict())


if __name__ == "__main__": print(json.dumps(trained(**json.loads(sys.argv[1]))))
