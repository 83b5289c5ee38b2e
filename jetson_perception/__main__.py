"""`python -m jetson_perception`: the command `jetson-perception`."""

from jetson_perception.cli import main

raise SystemExit(main())
