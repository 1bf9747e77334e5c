"""What follows a merge: version, release, the pull request of the pointer; and which open ones main has overtaken."""
