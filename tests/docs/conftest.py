import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for the modules beside the tests
sys.path.insert(1, str(HERE.parent / "e2e"))  # for the command line
sys.path.insert(2, str(HERE.parent / "faults"))  # for the server that forks commands
sys.path.insert(3, str(HERE.parents[1] / "docs" / "site"))  # for what makes the site
