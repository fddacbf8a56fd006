import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside the tests
sys.path.insert(1, str(Path(__file__).parents[1] / "serve"))  # for its client
sys.path.insert(2, str(Path(__file__).parents[1] / "faults"))  # for the server that forks commands
