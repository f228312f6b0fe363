# The earlier version from which upgrades are tested. There is no release yet, so it is the last commit before metrics, alerts and a
# key of the configuration were renamed. After the first release, set it to the tag of the newest one. Sourced by tests/chart/run,
# which compares both charts, and by .ci/nightly, which runs tests/deploy from it.
earlier=3d54f55a173fd40480b76ec4a1dcb0f578ee8b2b
