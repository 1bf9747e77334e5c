"""Champion against challenger: reads and checks the evidence, and judges it. The judgement is a pure function."""
