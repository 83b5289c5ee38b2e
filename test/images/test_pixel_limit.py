import pytest

from jetson_perception.images.pixel_limit import limit_in_words, without_parameter


def test_the_parameter_is_named_but_in_commands():
    assert limit_in_words(9) == 'max_image_pixels is 9'
    with without_parameter():
        assert limit_in_words(9) == 'at most 9 are read'
        with without_parameter():
            pass
        assert limit_in_words(9) == 'at most 9 are read'
    assert limit_in_words(9) == 'max_image_pixels is 9'


def test_it_is_named_again_after_an_error():
    with pytest.raises(OSError, match='gone'), without_parameter():
        raise OSError('gone')
    assert limit_in_words(9) == 'max_image_pixels is 9'
