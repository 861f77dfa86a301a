PYTHON ?= python3
PY := .venv/bin/python
PYTEST := $(PY) -m pytest -q -n 2 --dist loadfile

.PHONY: setup demo test long gpu soak lint notebook bench diffusion exported sweep table1 weights numbers reports
.PHONY: clean

# Everything that the other targets need.
setup: .venv/ready

.venv/ready: requirements.txt requirements-export.txt requirements-serve.txt requirements-video.txt requirements-ray.txt requirements-segment.txt requirements-test.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet -e ".[export,serve,video,ray,segment,test]"
	touch $@

# Only what running the zoo needs; `setup` contains it.
.venv/runs: requirements.txt pyproject.toml
	test -e .venv/ready || $(PYTHON) -m venv .venv
	test -e .venv/ready || $(PY) -m pip install --quiet -e .
	touch $@

# Trains on embedded pictures, evaluates, inpaints; minutes on two cores.
demo: .venv/runs
	$(PY) demo.py

# What JAX compiles is kept, for the other processes of the tests and the next run.
test long: export JAX_COMPILATION_CACHE_DIR = $(CURDIR)/.pytest_cache/jax
test long: export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS = 0

# Tests of up to ten seconds, on TensorFlow, then those of the engine on JAX.
test: setup
	$(PYTEST)
	KERAS_BACKEND=jax $(PYTEST) -m 'both_engines and not long and not slow and not gpu'

# The longer ones: whole commands, kills, exports, notebooks, an installation.
long: setup
	$(PYTEST) -m 'long and not slow and not gpu'
	KERAS_BACKEND=jax $(PYTEST) -m 'both_engines and long and not slow and not gpu'

# What needs a GPU, on TensorFlow: trains, resumes and inpaints, eagerly and compiled.
gpu: setup
	$(PY) -m pytest -q -m gpu

# What takes minutes a test, on both engines; figures go to docs/reliability.md.
soak: setup
	RELIABILITY_REPORT=docs/reliability.md $(PY) -m pytest -q -m slow
	KERAS_BACKEND=jax $(PY) -m pytest -q -m 'both_engines and slow'

# Executes the notebooks.
notebook: setup
	mkdir -p outputs
	for name in gmcnn_demo lama stable_diffusion train_your_own; do \
		.venv/bin/jupyter-execute notebooks/$$name.ipynb --output $${name}_executed && \
		mv notebooks/$${name}_executed.ipynb outputs/ || exit 1; \
	done

# Report 001's ratios of reconstruction to adversarial loss, on your own pictures.
sweep: .venv/runs
	$(PY) tools/lambda_ratios.py -train_path $(TRAIN) -test_path $(TEST) $(OPTIONS)

# Attention and hole fills compared, each with three seeds; hours on a CPU.
table1: .venv/runs
	$(PY) tools/table1.py -train_path $(TRAIN) -mask_path $(MASKS) \
		-test_path $(TEST) -test_masks $(TEST_MASKS) -vgg_weights $(VGG) $(OPTIONS)

# Trains the weights that are shipped and publishes them; goes on if interrupted.
weights: .venv/runs
	$(PY) tools/train_weights.py -faces $(TRAIN) -face_masks $(MASKS) \
		-photographs $(PHOTOGRAPHS) -photograph_masks $(PHOTOGRAPH_MASKS) \
		-vgg_weights $(VGG) -face_sample $(FACE_SAMPLE) \
		-face_validation $(FACE_VALIDATION)

# Measures every shipped preset and writes weights/README.md from the reports.
numbers: setup
	$(PY) tools/measure.py -faces_pairs $(FACES) -scenes $(SCENES) \
		-scene_masks $(SCENE_MASKS)
	$(PY) tools/make_readme.py

# What the reports' tables claim, measured where it can be: writes docs/reports.md.
# OPTIONS="-only 000 004_pairs" chooses parts; 001_sweep and 004_table1 train for hours.
reports: .venv/runs
	$(PY) tools/reports.py -faces_pairs '$(FACES)' -train_path '$(TRAIN)' \
		-test_path '$(TEST)' -mask_path '$(MASKS)' -test_masks '$(TEST_MASKS)' \
		-vgg_weights '$(VGG)' -scenes '$(SCENES)' -scene_masks '$(SCENE_MASKS)' $(OPTIONS)

# Seconds per step, memory, and the speed of the data pipeline.
bench: setup
	$(PY) benchmarks/bench.py $(OPTIONS)

# Stable Diffusion at its full size: OPTIONS="loading --dtype bfloat16", or "step", beside
# diffusers where that is installed.
diffusion: setup
	$(PY) benchmarks/diffusion.py $(OPTIONS)

# A generator in every exported format: PSNR, bytes, CPU seconds.
exported: setup
	$(PY) benchmarks/exported.py -from_weights $(WEIGHTS) \
	    -test_path $(TEST) -mask_path $(MASKS)

lint: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

clean:
	rm -rf .venv outputs
