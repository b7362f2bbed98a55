from lightloop.template.minimal.loop.cli import main

main()
