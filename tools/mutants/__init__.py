"""Does a test notice when a line of the package is wrong?"""
