"""Tests table.py on a file, with the arguments that the script passes. tests/release/run runs them:

    python3 tests/interop/compatibility/test_table.py
"""

import os
import tempfile
import unittest

import table

HEAD = "| software | version | tried on | result |\n|---|---|---|---|\n"
BEFORE = "# A document\n\n| software | version |\n|---|---|\n| Synapse, newest | outside |\n\n<!-- compatibility -->\n"
AFTER = "<!-- /compatibility -->\n\n| Synapse, newest | outside too |\n"
JS_SDK = "| matrix-js-sdk, newest | 42.0.0 | 2026-11-01 | passed |\n"
SYNAPSE = "| Synapse, newest | 1.162.0 | 2026-11-02 | passed |\n"


class TableTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "README.md")

    def write_row(self, text, *arguments):
        """Runs the script's main function. Returns its error message, if any, and the text of the document afterwards."""
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)
        message = None
        try:
            table.main([self.path, *arguments])
        except SystemExit as exit:
            message = exit.code
        with open(self.path, encoding="utf-8") as file:
            return message, file.read()

    def assert_written(self, rows, expected, *arguments):
        message, text = self.write_row(BEFORE + HEAD + rows + AFTER, *arguments)
        self.assertEqual((message, text), (None, BEFORE + HEAD + expected + AFTER))

    def assert_rejected(self, text, message, *arguments):
        error, after = self.write_row(text, *arguments)
        self.assertIn(message, error or "")
        self.assertEqual(after, text, "the document changed")

    def test_row_with_the_name_is_replaced_in_place(self):
        row = "| matrix-js-sdk, newest | 43.0.0 | 2026-12-01 | passed |\n"
        self.assert_written(JS_SDK + SYNAPSE, row + SYNAPSE, "matrix-js-sdk, newest", "43.0.0", "2026-12-01", "passed")

    def test_failed_run_replaces_passed_by_failed(self):
        row = "| Synapse, newest | 1.163.2 | 2026-12-01 | failed |\n"
        self.assert_written(JS_SDK + SYNAPSE, JS_SDK + row, "Synapse, newest", "1.163.2", "2026-12-01", "failed")

    def test_new_name_is_appended_even_if_it_begins_like_another(self):
        row = "| Synapse | 1.138.0 | 2026-12-01 | passed |\n"
        self.assert_written(JS_SDK + SYNAPSE, JS_SDK + SYNAPSE + row, "Synapse", "1.138.0", "2026-12-01", "passed")

    def test_empty_table_gets_its_head(self):
        message, text = self.write_row(BEFORE + AFTER, "Synapse, newest", "1.162.0", "2026-11-02", "passed")
        self.assertEqual((message, text), (None, BEFORE + HEAD + SYNAPSE + AFTER))

    def test_row_is_removed_and_a_missing_one_is_not_missed(self):
        self.assert_written(JS_SDK + SYNAPSE, SYNAPSE, "matrix-js-sdk, newest", "--remove")
        self.assert_written(JS_SDK + SYNAPSE, JS_SDK + SYNAPSE, "Synapse", "--remove")

    def test_document_without_its_markers_is_rejected(self):
        begin, end = "<!-- compatibility -->\n", "<!-- /compatibility -->\n"
        for text in ("# A document\n", begin + HEAD, HEAD + end, end + begin, begin + begin + HEAD + end, begin + HEAD + end + end):
            with self.subTest(text):
                self.assert_rejected(text, "expected one line <!-- compatibility -->", "Synapse", "1.2.3", "2026-12-01", "passed")

    def test_another_table_between_the_markers_is_rejected(self):
        text = BEFORE + "| another | head |\n|---|---|\n" + AFTER
        self.assert_rejected(text, "expected a table that begins with", "Synapse", "1.2.3", "2026-12-01", "passed")

    def test_wrong_values_are_rejected(self):
        text = BEFORE + HEAD + SYNAPSE + AFTER
        good = ("Synapse, newest", "1.163.2", "2026-12-01", "passed")
        wrong = [
            (0, "a | b", "expected a name"), (0, "", "expected a name"),
            (1, "", "expected a version"), (1, "newest", "expected a version"), (1, "1.2 | passed", "expected a version"),
            (2, "today", "expected a date"), (2, "2026-12-01 ", "expected a date"),
            (3, "", "expected the result"), (3, "ok", "expected the result"),
        ]
        for place, value, message in wrong:
            with self.subTest(value):
                self.assert_rejected(text, message, *good[:place], value, *good[place + 1:])
        self.assert_rejected(text, "usage: table.py", *good[:3])


unittest.main()
