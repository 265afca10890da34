# CUDA, an index URL, and an argument in the middle of a tag.
ARG CUDA=12.6.3
FROM nvidia/cuda:${CUDA}-cudnn-runtime-ubuntu24.04
ARG TORCH=2.7.0
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN apt-get update && apt-get install -y python3-pip
RUN pip3 install --break-system-packages "torch==${TORCH}" --index-url https://download.pytorch.org/whl/cu126
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY model.py /
CMD ["python3", "/model.py"]
