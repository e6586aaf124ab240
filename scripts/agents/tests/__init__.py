"""python3 -m unittest discover -s scripts/agents -t scripts/agents"""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
